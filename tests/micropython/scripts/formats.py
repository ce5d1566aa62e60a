import binascii
import hashlib
import json
import struct

data = {"sites": [1, 2, 3], "name": "import_all", "armed": True, "none": None}
print(json.loads(json.dumps(data)) == data)
packed = struct.pack("<HIb", 0x1234, 0x89ABCDEF, -2)
print(binascii.hexlify(packed), struct.unpack("<HIb", packed))
print(binascii.hexlify(hashlib.sha256(b"abc").digest()))
print(binascii.a2b_base64(binascii.b2a_base64(b"slipmux")))
