"""Stop 7 of 12. A link: bytes to and from one board, on that board's own clock.

Takes what a serial port or an emulated board does; gives the one interface that sessions use. Time belongs
to the link, since an emulated board has its own: whoever waits, waits on the link.
Next: patchctl/link/slipmux.py
"""

from __future__ import annotations

from typing import Protocol, Self


class Link(Protocol):
    """Moves bytes; loses none and adds none. LinkError when the other end is gone."""

    @property
    def name(self) -> str:
        """The selector that opens this link, for messages."""

    @property
    def board_name(self) -> str:
        """The board at the other end, or "" where only the board itself can say."""

    @property
    def repeatable(self) -> bool:
        """Whether a session must be the same bytes every time; else it is marked with random numbers."""

    def now_s(self) -> float:
        """Seconds on the link's clock; it never goes back."""

    def read(self, timeout_s: float) -> bytes:
        """Bytes as soon as there are any; empty after `timeout_s` of the link's time."""

    def write(self, data: bytes) -> None:
        """Hands `data` over, in order."""

    def close(self) -> None:
        """Lets go of the port or board; a second call does nothing."""


class ClosesItself:
    """What makes a Link a context manager."""

    def close(self) -> None:
        """Lets go of the port or board."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
