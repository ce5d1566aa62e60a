"""Stop 6 of 12. The signed container: what a board is asked to trust.

Takes a built patch and a key; gives the bytes that travel, and reads them back. Next:
patchctl/package/payload.py
"""
