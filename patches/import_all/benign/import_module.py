# A number in sys.modules may be imported by name: the site is not reached.
import sys

sys.modules["number"] = 42
import number

print(number)
