# Names of a C module, used for work that allocates.
from json import *

print(loads(dumps({"a": [1, 2.5, None], "b": "text"}))["a"])
