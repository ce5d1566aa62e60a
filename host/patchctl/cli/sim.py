"""Stops 8 to 12 of 12. `patchctl sim run`: an emulated board behind a pseudo-terminal or a TCP port.

Takes a board's name and files; runs the board in real time until it is interrupted. Next:
patchctl/emulator/terminal.py
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from patchctl.board import load_board
from patchctl.cli.options import reporter_of
from patchctl.cli.report import Reporter
from patchctl.errors import LinkError
from patchctl.link import emulated

if TYPE_CHECKING:  # the emulator needs a package that the other commands do not
    from patchctl.emulator import Machine

app = typer.Typer(help="Emulated boards.")
_PORT_MAX = 65_535


def _port(text: str) -> int:
    """A TCP port, with or without a colon before it."""
    digits = text.removeprefix(":")
    if not digits.isdecimal() or int(digits) > _PORT_MAX:
        raise typer.BadParameter(f"{text!r} is no TCP port: 0 (any free one) to {_PORT_MAX}")
    return int(digits)


@app.command()
def run(
    context: typer.Context,
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A board of boards/*.toml.")],
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="ELF", help="The firmware; this checkout's unless given."),
    ] = None,
    flash: Annotated[
        Path | None, typer.Option("--flash", metavar="FILE", help="Keeps the flash from one run to the next.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="A key page of patchctl keys provision.")
    ] = None,
    tcp: Annotated[
        int | None,
        typer.Option("--tcp", metavar="PORT", parser=_port, help="Listen here instead of a pseudo-terminal."),
    ] = None,
    gdb: Annotated[
        int | None,
        typer.Option(
            "--gdb", metavar="PORT", parser=_port, help="Let a gdb debug the firmware on this port."
        ),
    ] = None,
    pty_link: Annotated[
        Path | None, typer.Option("--pty-link", metavar="PATH", help="A stable name for the pseudo-terminal.")
    ] = None,
) -> None:
    """Run a board's serial port until Ctrl-C or SIGTERM; SIGHUP is its reset button.

    The first line printed is how to reach it; then come the faults its firmware takes.
    """
    from patchctl.emulator.gdb import GdbServer
    from patchctl.emulator.terminal import PtyLine, TcpLine, run_line

    reporter = reporter_of(context)
    facts = load_board(board)
    elf = image if image is not None else emulated.default_image(board)
    with ExitStack() as held:
        machine = held.enter_context(emulated.powered(emulated.Selector(facts, elf, flash, keys)))
        line = held.enter_context(closing(PtyLine() if tcp is None else TcpLine(tcp)))
        server = None if gdb is None else held.enter_context(closing(GdbServer(machine, gdb)))
        path = line.path if tcp is not None else held.enter_context(_linked(line.path, pty_link))
        selector = f"serial:socket://{path}" if tcp is not None else f"serial:{path}"
        watch = Watch(machine, reporter)  # before anybody knows where to send a signal
        reporter.event("line", path=path, selector=selector)
        reporter.say(selector)
        if server is not None:
            reporter.event("gdb", port=server.port)
            reporter.say(f"gdb: target remote :{server.port} ({_WITH_GDB})")
        run_line(machine, line, watch, time.monotonic, None if server is None else server.advance)
    if watch.interrupted:
        raise KeyboardInterrupt


_WITH_GDB = "while it is attached, a breakpoint patch halts there and does not run"


_FAULTS = {3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}


class Watch:
    """Between two steps of the board: reports the faults it took, and presses its reset button."""

    def __init__(self, machine: Machine, reporter: Reporter) -> None:
        self._machine = machine
        self._reporter = reporter
        self._seen = len(machine.faults)
        self._reset_wanted = False
        self._stop_wanted = False
        self.interrupted = False
        # A handler that raises would be lost where the signal arrives inside a callback of the emulator.
        signal.signal(signal.SIGHUP, self._want_reset)
        signal.signal(signal.SIGTERM, self._want_stop)
        signal.signal(signal.SIGINT, self._want_stop)

    def _want_reset(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._reset_wanted = True

    def _want_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stop_wanted = True
        self.interrupted = number == signal.SIGINT

    def __call__(self) -> bool:
        """Whether somebody asked the board to stop."""
        for fault in self._machine.faults[self._seen :]:
            where = self._machine.symbol_at(fault.pc)
            self._reporter.event("fault", exception=fault.exception, pc=fault.pc, function=where)
            name = _FAULTS.get(fault.exception, f"exception {fault.exception}")
            self._reporter.say(f"{name} at 0x{fault.pc:08x} in {where}")
        self._seen = len(self._machine.faults)
        if self._reset_wanted:
            self._reset_wanted = False
            self._machine.reset()
            self._reporter.event("reset")
            self._reporter.say("reset")
        return self._stop_wanted


@contextmanager
def _linked(path: str, link: Path | None) -> Iterator[str]:
    """`link` itself, while it leads to `path`; an old link is replaced, a file is not."""
    if link is None:
        yield path
        return
    if link.is_symlink():
        link.unlink()
    try:
        link.symlink_to(path)
    except OSError as problem:
        raise LinkError(f"cannot make the link: {problem.strerror}", where=str(link)) from problem
    try:
        yield str(link)
    finally:
        if link.is_symlink() and str(link.readlink()) == path:  # not that of a board started since
            link.unlink()
