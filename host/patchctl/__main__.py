"""Stops 2 to 12 of 12. `python -m patchctl`. Next: patchctl/cli/main.py"""

import sys

from patchctl.cli.main import main

sys.exit(main())
