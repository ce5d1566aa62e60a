# No import star at all: generators, exceptions and string work.
squares = (number * number for number in range(5))
try:
    print({}["missing"])
except KeyError as missing:
    print("KeyError", missing, list(squares))
print("{:>6}|{:<6}|{:05.1f}".format("right", "left", 2.5))
