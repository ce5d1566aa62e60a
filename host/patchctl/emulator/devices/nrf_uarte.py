"""Stops 7 to 8 of 12. Nordic's UART with EasyDMA (nRF5340 product specification, UARTE).

Takes bytes from the line into the buffer at RXD.PTR, or into a FIFO while there is none; sends the buffer at
TXD.PTR. Buffers lie in RAM: elsewhere is a loud error. Next: line.py
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Final

from patchctl.emulator.devices.base import NrfEvents
from patchctl.emulator.devices.line import BITS_PER_BYTE, LineEnd
from patchctl.emulator.registers import Register, misuse, unmodelled

FIFO_BYTES: Final = 6
_ENABLED: Final = 8
_BAUD_CLOCK_HZ: Final = 16_000_000  # BAUDRATE holds baud * 2^32 / 16 MHz
_OVERRUN: Final = 1
_ENDRX_STARTRX: Final = 1 << 5
_ENDRX_STOPRX: Final = 1 << 6
_COUNT_MAX: Final = 0xFFFF


class NrfUarte(NrfEvents, LineEnd):
    """UARTE, 8N1, without flow control."""

    state: ClassVar[tuple[str, ...]] = (
        *NrfEvents.state, *LineEnd.state,
        "enable", "baudrate", "config", "shorts", "pins", "error_source", "receiving", "fifo",
        "receive_pointer", "receive_count", "receive_amount", "receive_next",
        "transmit_pointer", "transmit_count", "transmit_amount", "transmit_left",
    )  # fmt: skip
    event_offsets: ClassVar[dict[str, int]] = {
        "CTS": 0x100, "NCTS": 0x104, "RXDRDY": 0x108, "ENDRX": 0x110, "TXDRDY": 0x11C, "ENDTX": 0x120,
        "ERROR": 0x124, "RXTO": 0x144, "RXSTARTED": 0x14C, "TXSTARTED": 0x150, "TXSTOPPED": 0x158,
    }  # fmt: skip

    def reset(self) -> None:
        """Off."""
        super().reset()
        self.enable = self.config = self.shorts = self.error_source = 0
        self.baudrate = 0x0400_0000
        self.pins = [0xFFFF_FFFF] * 4
        self.receiving = False
        self.fifo: deque[int] = deque()
        self.receive_pointer = self.receive_count = self.receive_amount = self.receive_next = 0
        self.transmit_pointer = self.transmit_count = self.transmit_amount = 0
        self.transmit_left: deque[int] = deque()

    def table(self) -> dict[int, Register]:
        """All registers; the two DMA channels have the same three each."""
        rows = self.event_rows() | self._tasks()
        for index, name in enumerate(("RTS", "TXD", "CTS", "RXD")):
            rows[0x508 + 4 * index] = self._pin(index, name)
        for base, name in ((0x534, "receive"), (0x544, "transmit")):
            rows[base] = self._plain(f"{name}.PTR", f"{name}_pointer")
            rows[base + 4] = self._plain(f"{name}.MAXCNT", f"{name}_count", _COUNT_MAX)
            rows[base + 8] = Register(f"{name}.AMOUNT", self._reader(f"{name}_amount"))
        rows[0x200] = self._plain("SHORTS", "shorts", _ENDRX_STARTRX | _ENDRX_STOPRX)
        rows[0x480] = Register("ERRORSRC", lambda: self.error_source, self._clear_errors)
        rows[0x500] = self._plain("ENABLE", "enable")
        rows[0x524] = self._plain("BAUDRATE", "baudrate")
        rows[0x56C] = Register("CONFIG", lambda: self.config, self._set_config)
        return rows

    def _tasks(self) -> dict[int, Register]:
        return {
            0x000: self.task("TASKS_STARTRX", self._start_receiving),
            0x004: self.task("TASKS_STOPRX", self._stop_receiving),
            0x008: self.task("TASKS_STARTTX", self._start_sending),
            0x00C: self.task("TASKS_STOPTX", self._stop_sending),
            0x02C: self.task("TASKS_FLUSHRX", self._flush),
        }

    # Receiving ---------------------------------------------------------------------------------------------

    def arrived(self, byte: int) -> None:
        """Into the FIFO, and on into the buffer if there is one."""
        if self.enable != _ENABLED or (not self.receiving and len(self.fifo) == FIFO_BYTES):
            self.lost_bytes += 1
        elif len(self.fifo) == FIFO_BYTES:
            self.lost_bytes += 1
            self.error_source |= _OVERRUN
            self.signal("ERROR")
        else:
            self.fifo.append(byte)
            self._drain()

    def _drain(self) -> None:
        while self.receiving and self.fifo:
            self._place(self.receive_next, self.fifo.popleft())
            self.receive_next += 1
            self.receive_amount += 1
            self.signal("RXDRDY")
            if self.receive_amount >= self.receive_count:
                self._end_buffer()

    def _end_buffer(self) -> None:
        self.receiving = False
        self.signal("ENDRX")
        if self.shorts & _ENDRX_STARTRX:
            self._start_receiving()
        elif self.shorts & _ENDRX_STOPRX:
            self.signal("RXTO")

    def _start_receiving(self) -> None:
        if self.enable != _ENABLED:
            return
        self._in_ram("RXD", self.receive_pointer, self.receive_count)
        self.receive_next, self.receive_amount = self.receive_pointer, 0
        self.receiving = self.receive_count > 0
        self.signal("RXSTARTED")
        self._drain()

    def _stop_receiving(self) -> None:
        if self.receiving:
            self.receiving = False
            self.signal("ENDRX")
        self.signal("RXTO")

    def _flush(self) -> None:
        """What the FIFO holds goes into the buffer, after STOPRX."""
        self.receive_next, self.receive_amount = self.receive_pointer, 0
        while self.fifo and self.receive_amount < self.receive_count:
            self._place(self.receive_next, self.fifo.popleft())
            self.receive_next += 1
            self.receive_amount += 1
        self.signal("ENDRX")

    def _place(self, address: int, byte: int) -> None:
        self.bus.memory.write(address, bytes([byte]))
        self.bus.forget_code(address, 1)

    # Sending -----------------------------------------------------------------------------------------------

    def _start_sending(self) -> None:
        if self.enable != _ENABLED:
            return
        self._in_ram("TXD", self.transmit_pointer, self.transmit_count)
        data = self.bus.memory.read(self.transmit_pointer, self.transmit_count) or b""
        self.transmit_left = deque(data)
        self.transmit_amount = 0
        self.signal("TXSTARTED")
        self._next()

    def _next(self) -> None:
        if self.transmit_left:
            cycles = BITS_PER_BYTE * self.bus.clock.hz * (1 << 32) // (self.baudrate * _BAUD_CLOCK_HZ)
            self.send(self.transmit_left.popleft(), cycles)
        else:
            self.signal("ENDTX")

    def sent(self) -> None:
        """The next byte of the buffer, or its end."""
        self.transmit_amount += 1
        self.signal("TXDRDY")
        self._next()

    def _stop_sending(self) -> None:
        self.transmit_left.clear()
        self.signal("TXSTOPPED")

    # Registers ---------------------------------------------------------------------------------------------

    def _in_ram(self, name: str, pointer: int, count: int) -> None:
        found = self.bus.memory.find(pointer, count)
        if found is None or not found[0].writable:
            reason = f"EasyDMA reaches RAM only, and 0x{pointer:08x} + {count} is none"
            raise misuse(reason, f"{self.spec.name}.{name}.PTR", self.spec.address, self.bus.pc())

    def _pin(self, index: int, name: str) -> Register:
        def write(value: int) -> None:
            self.pins[index] = value

        return Register(f"PSEL.{name}", lambda: self.pins[index], write)

    def _plain(self, name: str, attribute: str, mask: int = 0xFFFF_FFFF) -> Register:
        return Register(name, self._reader(attribute), lambda value: setattr(self, attribute, value & mask))

    def _clear_errors(self, value: int) -> None:
        self.error_source &= ~value

    def _set_config(self, value: int) -> None:
        if value:
            what = f"CONFIG = 0x{value:x}"
            raise unmodelled(what, f"{self.spec.name}.CONFIG", self.spec.address + 0x56C, self.bus.pc())
