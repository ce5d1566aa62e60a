"""`python tools/bench` and `python -m bench` both start here."""

import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "host"),
]

from bench.command import main

if __name__ == "__main__":
    raise SystemExit(main())
