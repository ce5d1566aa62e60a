# A module that does not exist is an ImportError with or without the patch.
try:
    from no_such_module import *
except ImportError as refused:
    print("ImportError", refused)
