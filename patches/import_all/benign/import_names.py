# Two real modules give their names: both imports cross the site.
from math import *
from sys import *

print(sin(0), int(pi * 1000), len(platform) > 0)
