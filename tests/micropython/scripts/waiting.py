import random
import select
import sys
import time

start = time.ticks_ms()
time.sleep_ms(120)
passed = time.ticks_diff(time.ticks_ms(), start)
print(120 <= passed <= 125)
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
print(poll.poll(20))
random.seed(7)
first = [random.randint(0, 99) for _ in range(5)]
random.seed(7)
print(first == [random.randint(0, 99) for _ in range(5)])
