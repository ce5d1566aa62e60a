"""Stops 8 to 12 of 12. An emulated board: the same firmware image, deterministic, in virtual time.

Takes a board and a firmware ELF; gives a Machine whose serial port, flash and memory a link or a test
uses. Unicorn is loaded with the first Machine only: flash.py serves the native library without it.
Next: machine.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patchctl.emulator.flash import Flash, PowerCut

if TYPE_CHECKING:
    from patchctl.emulator.machine import Machine

__all__ = ["Flash", "Machine", "PowerCut"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: a module's attribute has any type
    """Machine, loaded when somebody asks for it."""
    if name == "Machine":
        from patchctl.emulator.machine import Machine

        return Machine
    raise AttributeError(name)
