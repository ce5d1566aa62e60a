# A second name for a module: the site sees the same object.
import sys

sys.modules["alias"] = sys
from alias import *

print(byteorder, maxsize > 0)
