"""Stop 7 of 12. A link: bytes to and from one board, on that board's own clock.

Takes a selector ("serial:/dev/ttyACM0", "sim:nrf52840dk"); gives an open Link. Time belongs to the link,
since an emulated board has its own: whoever waits, waits on the link. Next: patchctl/link/slipmux.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

from patchctl.board import board_names
from patchctl.errors import UsageError


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


def link_for(selector: str) -> Link:
    """The open link that `selector` names; UsageError for an unknown kind, LinkError if it stays shut."""
    kind, _, rest = selector.partition(":")
    if kind not in _OPENERS or not rest:
        raise UsageError(
            f"{selector!r} names no board", hint=f"serial:/dev/ttyACM0 or sim:{board_names()[0]}"
        )
    return _OPENERS[kind](rest)


def _open_serial(rest: str) -> Link:
    from patchctl.link.serial import SerialLink

    return SerialLink.open(rest)


def _open_emulated(rest: str) -> Link:
    from patchctl.link.emulated import EmulatedLink

    return EmulatedLink.open(rest)


# Each kind is imported when it is asked for: an emulated board needs a package that a real one does not.
_OPENERS: dict[str, Callable[[str], Link]] = {"serial": _open_serial, "sim": _open_emulated}
