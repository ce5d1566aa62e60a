import asyncio


async def worker(name, pause_ms, count):
    for step in range(count):
        await asyncio.sleep_ms(pause_ms)
        print(name, step)


async def main():
    await asyncio.gather(worker("slow", 50, 2), worker("fast", 20, 3))
    try:
        await asyncio.wait_for_ms(worker("never", 1000, 1), 30)
    except asyncio.TimeoutError:
        print("timed out")


asyncio.run(main())
