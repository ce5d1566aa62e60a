# The site is crossed many times in one run; each import gives the same names.
total = 0
for number in range(20):
    exec("from math import *", globals())
    total += int(globals()["sqrt"](number * number))
print(total)
