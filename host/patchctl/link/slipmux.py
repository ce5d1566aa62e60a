"""Stop 7 of 12. Slipmux frames: console and management on one serial line.

Takes messages and gives frames, takes bytes and gives what they were; does no input or output (draft-
bormann-t2trg-slipmux; RFC 1055 escapes; RFC 1662 checksum). Bytes outside frames are console bytes. Its
twin on the board is device_runtime/core/slipmux.c. Next: patchctl/link/transport.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
COAP, DIAGNOSTIC = 0xA9, 0x0A
FRAME_BYTES_MAX = 1279  # from the kind byte to the last byte before the closing END, escapes undone
SILENCE_S = 0.2
_ESCAPES = {ESC_END: END, ESC_ESC: ESC}
_FCS_GOOD = 0xF0B8  # RFC 1662 C.1: what the checksum over message and checksum comes to


@dataclass(frozen=True, slots=True)
class Console:
    """Text of the firmware: plain bytes, or what a diagnostics frame carried."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A CoAP message whose checksum is right."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame that was no use, and why."""

    reason: str


Event: TypeAlias = Console | Message | Dropped


def fcs16(data: bytes, value: int = 0xFFFF) -> int:
    """The checksum of RFC 1662 C.2 before its final complement."""
    for byte in data:
        value = (value >> 8) ^ _FCS_TABLE[(value ^ byte) & 0xFF]
    return value


def _fcs_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x8408 if byte & 1 else 0)
    return byte


_FCS_TABLE = tuple(_fcs_entry(byte) for byte in range(256))


def frame_message(message: bytes) -> bytes:
    """A CoAP message as a frame: END, kind, message, checksum (low byte first), END."""
    body = bytes([COAP]) + message
    return frame(body + (fcs16(body) ^ 0xFFFF).to_bytes(2, "little"))


def frame_diagnostic(text: bytes) -> bytes:
    """Text of the firmware as a frame; only boards send these."""
    return frame(bytes([DIAGNOSTIC]) + text)


def frame(body: bytes) -> bytes:
    """`body` between two ENDs, with ESC and END inside it escaped."""
    escaped = body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return bytes([END]) + escaped + bytes([END])


class Decoder:
    """Takes the bytes of one direction apart. `receives_diagnostics`: true at the host's end only."""

    def __init__(self, *, receives_diagnostics: bool = True) -> None:
        self._kinds = {COAP, DIAGNOSTIC} if receives_diagnostics else {COAP}
        self._body: bytearray | None = None
        self._escaped = False
        self._heard_s = 0.0

    def feed(self, data: bytes, now_s: float) -> list[Event]:
        """What `data`, received at `now_s`, completes. Console bytes come together as far as frames allow."""
        events = self.expire(now_s)
        self._heard_s = now_s
        console = bytearray()
        for byte in data:
            event = self._take(byte, console)
            if event is not None:
                if console:
                    events.append(Console(bytes(console)))
                    console.clear()
                events.append(event)
        if console:
            events.append(Console(bytes(console)))
        return events

    def expire(self, now_s: float) -> list[Event]:
        """Gives up a frame after 200 ms of silence, so that a lost END cannot swallow the console."""
        if self._body is None or now_s - self._heard_s < SILENCE_S:
            return []
        empty = not self._body
        self._leave()
        return [] if empty else [Dropped("broken off")]

    def _leave(self) -> None:
        self._body = None
        self._escaped = False

    def _take(self, byte: int, console: bytearray) -> Event | None:
        if self._body is None:
            if byte == END:
                self._body = bytearray()
            else:
                console.append(byte)
            return None
        if byte == END:
            return self._close()
        if not self._body and byte not in self._kinds:
            self._leave()
            console.append(byte)
            return None
        return self._collect(self._body, byte)

    def _collect(self, body: bytearray, byte: int) -> Event | None:
        if byte == ESC and not self._escaped:
            self._escaped = True
            return None
        if self._escaped:
            self._escaped = False
            if byte not in _ESCAPES:
                self._leave()
                return Dropped("bad escape")
            byte = _ESCAPES[byte]
        if len(body) == FRAME_BYTES_MAX:
            self._leave()
            return Dropped("too long")
        body.append(byte)
        return None

    def _close(self) -> Event | None:
        """The closing END. One behind an empty body opens again: two ENDs in a row are one."""
        body, escaped = bytes(self._body or b""), self._escaped
        if not body:
            return None
        self._leave()
        if escaped:
            return Dropped("aborted")
        if body[0] == DIAGNOSTIC:
            return Console(body[1:])
        if len(body) < 3 or fcs16(body) != _FCS_GOOD:
            return Dropped("bad checksum")
        return Message(body[1:-2])
