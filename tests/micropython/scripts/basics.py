class Shape:
    def __init__(self, name, sides):
        self.name = name
        self.sides = sides

    def __repr__(self):
        return "<%s of %d>" % (self.name, self.sides)


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        yield a
        a, b = b, a + b


print([Shape("triangle", 3), Shape("square", 4)])
print(list(fibonacci(15)), 2**100)
try:
    {}["missing"]
except KeyError as error:
    print("KeyError", error)
print(sorted({"b": 1, "a": 2}.items()), "%.3f" % (22 / 7))
