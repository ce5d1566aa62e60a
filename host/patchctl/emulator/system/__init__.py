"""Stops 11 to 12 of 12. The core's own registers at 0xE000E000 and around, a module a unit.

Takes the core's state; gives one register table. Next: scb.py
"""
