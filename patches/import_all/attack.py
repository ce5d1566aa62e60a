# Puts a number where a module belongs, and imports its names.
import sys

sys.modules["m"] = 42
try:
    from m import *
except ImportError as refused:
    print("ImportError:", refused)
print("still here")
