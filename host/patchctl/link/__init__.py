"""Stop 7 of 12. Ways to a board. Next: patchctl/link/base.py"""

from patchctl.link.base import Link, link_for

__all__ = ["Link", "link_for"]
