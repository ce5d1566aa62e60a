"""Stop 7 of 12. Ways to a board. Next: patchctl/link/selector.py"""

from patchctl.link.base import Link
from patchctl.link.selector import link_for

__all__ = ["Link", "link_for"]
