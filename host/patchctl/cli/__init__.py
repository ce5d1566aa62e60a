"""Stops 2 to 12 of 12. The command line. Next: patchctl/cli/main.py"""
