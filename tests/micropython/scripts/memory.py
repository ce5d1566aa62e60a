import gc

kept = []
for i in range(200):
    kept.append(bytearray(80))
    bytearray(2000)
gc.collect()
print(len(kept), gc.mem_free() > 10000)
try:
    bytearray(1000000)
except MemoryError:
    print("MemoryError")


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


try:
    deep(10000)
except RuntimeError as error:
    print("RuntimeError", error)
print(deep(20))
