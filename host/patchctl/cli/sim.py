"""Stops 8 to 12 of 12. `patchctl sim run`: an emulated board behind a pseudo-terminal or a TCP port.

Takes a board's name and files; runs the board in real time until it is interrupted. Next:
patchctl/emulator/terminal.py
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from patchctl.board import load_board
from patchctl.cli.options import reporter_of
from patchctl.errors import LinkError
from patchctl.link import emulated

app = typer.Typer(help="Emulated boards.")


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
        int | None, typer.Option("--tcp", metavar="PORT", help="Listen here instead of a pseudo-terminal.")
    ] = None,
    pty_link: Annotated[
        Path | None, typer.Option("--pty-link", metavar="PATH", help="A stable name for the pseudo-terminal.")
    ] = None,
) -> None:
    """Run a board's serial port until Ctrl-C; the first line printed is how to reach it."""
    from patchctl.emulator.terminal import PtyLine, TcpLine, run_line

    reporter = reporter_of(context)
    facts = load_board(board)
    default = emulated.default_image(board)
    machine = emulated.build_machine(
        emulated.Selector(facts, image if image is not None else default, flash, keys)
    )
    line = PtyLine() if tcp is None else TcpLine(tcp)
    path = line.path if tcp is not None else _linked(line.path, pty_link)
    selector = f"serial:socket://{path}" if tcp is not None else f"serial:{path}"
    reporter.event("line", path=path, selector=selector)
    reporter.say(selector)
    try:
        run_line(machine, line, lambda: False, time.monotonic)
    finally:
        line.close()
        if pty_link is not None and pty_link.is_symlink():
            pty_link.unlink()


def _linked(path: str, link: Path | None) -> str:
    """`link` itself, once it leads to `path`; an old link is replaced, a file is not."""
    if link is None:
        return path
    if link.is_symlink():
        link.unlink()
    try:
        link.symlink_to(path)
    except OSError as problem:
        raise LinkError(f"cannot make the link: {problem.strerror}", where=str(link)) from problem
    return str(link)
