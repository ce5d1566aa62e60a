# No import star at all: a module imported by name, and a digest.
import binascii
import hashlib

print(binascii.hexlify(hashlib.sha256(b"patchctl").digest()))
