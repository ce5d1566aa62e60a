"""Stop 8 of 12. Nordic's random number generator (nRF52840 product specification, 6.19).

Seeded, so that runs repeat. Takes START and STOP; gives a byte at a time with VALRDY. Next: base.py
"""

from __future__ import annotations

import hashlib
from typing import ClassVar, Final

from patchctl.emulator.clock import NEVER
from patchctl.emulator.devices.base import NrfEvents
from patchctl.emulator.registers import Register

_PLAIN_US: Final = 30
_CORRECTED_US: Final = 120  # with bias correction (typical figures)


class NrfRng(NrfEvents):
    """Byte n is the first of SHA-256(seed, n)."""

    state: ClassVar[tuple[str, ...]] = (*NrfEvents.state, "shorts", "config", "value", "drawn")
    event_offsets: ClassVar[dict[str, int]] = {"VALRDY": 0x100}
    drawn = 0  # not cleared by a reset: the noise goes on

    def reset(self) -> None:
        """Stopped."""
        super().reset()
        self.shorts = self.config = self.value = 0

    def table(self) -> dict[int, Register]:
        """All registers."""

        def set_shorts(value: int) -> None:
            self.shorts = value & 1

        def set_config(value: int) -> None:
            self.config = value & 1

        return self.event_rows() | {
            0x000: self.task("TASKS_START", self._start),
            0x004: self.task("TASKS_STOP", self._stop),
            0x200: Register("SHORTS", lambda: self.shorts, set_shorts),
            0x504: Register("CONFIG", lambda: self.config, set_config),
            0x508: Register("VALUE", lambda: self.value),
        }

    def fire(self) -> None:
        """A byte is ready."""
        text = f"{self.bus.seed}:{self.drawn}".encode()
        self.value = hashlib.sha256(text).digest()[0]
        self.drawn += 1
        if self.shorts:
            self._stop()
        else:
            self._start()
        self.signal("VALRDY")

    def _start(self) -> None:
        us = _CORRECTED_US if self.config else _PLAIN_US
        self.deadline = self.bus.clock.now + self.bus.clock.cycles_of_us(us)
        self.bus.kick()

    def _stop(self) -> None:
        self.deadline = NEVER
