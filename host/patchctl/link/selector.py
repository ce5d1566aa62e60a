"""Stop 7 of 12. What `--to` names: one selector, one open Link.

Takes a selector ("serial:/dev/ttyACM0", "sim:nrf52840dk"); gives the Link of that kind.
Next: patchctl/link/base.py
"""

from __future__ import annotations

from collections.abc import Callable

from patchctl.board import board_names
from patchctl.errors import UsageError
from patchctl.link.base import Link


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
