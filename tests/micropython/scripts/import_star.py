from math import *
from struct import *
from sys import *

print(floor(sqrt(17)), calcsize("<IHB"), platform, byteorder)
