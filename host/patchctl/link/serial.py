"""Stop 7 of 12. A board on a serial port, in real time.

Takes "PORT" or "PORT?baud=N" (any URL that pyserial knows works as a port); gives a Link that nobody
shares. Next: patchctl/link/transport.py
"""

from __future__ import annotations

import errno
import os
import time
from urllib.parse import parse_qs

import serial
from serial.tools.list_ports import comports

from patchctl.errors import LinkError, UsageError
from patchctl.link.base import ClosesItself

BAUD = 115_200
_READ_BYTES_MAX = 4096
_WRITE_TIMEOUT_S = 10.0
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EACCES)


class SerialLink(ClosesItself):
    """An open, locked serial port."""

    repeatable = False
    board_name = ""

    def __init__(self, port: serial.SerialBase, name: str) -> None:
        self._port = port
        self.name = name

    @classmethod
    def open(cls, rest: str) -> SerialLink:
        """Opens the port for ourselves alone; LinkError tells a missing port from a taken one."""
        path, _, query = rest.partition("?")
        baud = _baud(query)
        try:
            port = serial.serial_for_url(
                path, baudrate=baud, timeout=0, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
            )
        except (OSError, ValueError) as problem:
            raise _open_failure(path, problem) from problem
        return cls(port, f"serial:{path}")

    def now_s(self) -> float:
        """The system's steady clock."""
        return time.monotonic()

    def read(self, timeout_s: float) -> bytes:
        """Waits for a first byte, then takes all that is there."""
        try:
            self._port.timeout = timeout_s
            first = self._port.read(1)
            self._port.timeout = 0
            return bytes(first + self._port.read(_READ_BYTES_MAX) if first else first)
        except OSError as problem:
            raise self._gone() from problem

    def write(self, data: bytes) -> None:
        """Hands the bytes to the system; LinkError if the port is gone or takes none for 10 s."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as problem:
            raise LinkError(
                "the port takes no bytes", where=self.name, hint="is flow control on?"
            ) from problem
        except OSError as problem:
            raise self._gone() from problem

    def close(self) -> None:
        """Gives the port back."""
        self._port.close()

    def _gone(self) -> LinkError:
        return LinkError("the port went away", where=self.name, hint="check the cable and the board's power")


def _baud(query: str) -> int:
    options = {key: values[-1] for key, values in parse_qs(query).items()}
    text = options.pop("baud", str(BAUD))
    if options or not text.isdigit():
        raise UsageError(
            f"serial ports have no option {query!r}", hint="for example serial:/dev/ttyACM0?baud=115200"
        )
    return int(text)


def _open_failure(path: str, problem: Exception) -> LinkError:
    where = f"serial:{path}"
    number = getattr(problem, "errno", None)
    text = str(problem)
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return LinkError("no such port", where=where, hint=_ports_hint())
    if number == errno.EACCES and "Permission" in text:
        return LinkError(
            "you may not open this port", where=where, hint="join its group (often dialout) and log in again"
        )
    if number in _BUSY or "lock" in text:
        return LinkError("the port is taken by another program", where=where, hint="close it and try again")
    if "://" in path:
        return LinkError(
            "nobody answers there", where=where, hint="is the emulated board or gateway running?"
        )
    reason = os.strerror(number) if number else text
    return LinkError(f"the port does not open: {reason}", where=where, hint="is it a serial port?")


def _ports_hint() -> str:
    ports = sorted(port.device for port in comports())
    return (
        f"ports here: {', '.join(ports)}"
        if ports
        else "this machine has no serial port; is the board plugged in?"
    )
