# A frozen package of the board: its names cross the site.
from hotpatch import *

print(callable(patches), callable(counters))
