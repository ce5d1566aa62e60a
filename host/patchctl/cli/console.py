"""Stop 7 of 12. `patchctl console`: the firmware's own terminal, on the line that patches travel on.

Takes a selector; at a terminal it passes keys and text both ways until Ctrl-], elsewhere it sends
standard input and prints the answer until the board has been silent for a while. Next: patchctl/client.py
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from patchctl.cli.options import To, device_at, reporter_of
from patchctl.cli.report import Reporter
from patchctl.client import Device

_LEAVE = b"\x1d"  # Ctrl-]
_STEP_S = 0.02
_READ_BYTES = 1024


def console(
    context: typer.Context,
    to: To,
    quiet: Annotated[
        float,
        typer.Option("--quiet", metavar="SECONDS", help="Not at a terminal: end after this much silence."),
    ] = 1.0,
) -> None:
    """Talk to the firmware; Ctrl-] leaves. Standard input that is no terminal is sent line by line."""
    reporter = reporter_of(context)
    with device_at(to, reporter) as device:
        if sys.stdin.isatty() and not reporter.as_json:
            reporter.say(f"console of {to}; Ctrl-] leaves")
            with _raw_terminal():
                _talk(device, reporter)
        else:
            _send_all(device, reporter, sys.stdin.buffer.read(), quiet)


def _talk(device: Device, reporter: Reporter) -> None:
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        keys = os.read(sys.stdin.fileno(), _READ_BYTES) if ready else b""
        typed, leave, _ = keys.partition(_LEAVE)
        if typed:
            device.write_console(typed)
        reporter.raw(device.read_console(_STEP_S))
        if leave or (ready and not keys):
            return


def _send_all(device: Device, reporter: Reporter, text: bytes, quiet_s: float) -> None:
    for line in text.splitlines():
        device.write_console(line + b"\r")
        reporter.raw(device.read_console(_STEP_S))
    silent_s = 0.0
    while silent_s < quiet_s:
        heard = device.read_console(_STEP_S)
        silent_s = 0.0 if heard else silent_s + _STEP_S
        if heard:
            reporter.raw(heard)


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys one by one and unchanged, Ctrl-C too: it belongs to the firmware. POSIX only."""
    import termios
    import tty

    saved = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
