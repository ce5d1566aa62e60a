"""Stops 2 to 12 of 12. What a person or a program reads: the only place where patchctl prints.

Takes what commands have to say; gives text for people, or with --json one JSON object a line on standard
output and the text on standard error. Next: patchctl/cli/device.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from patchctl.errors import PatchctlError
from patchctl.link.transport import Progress as ProgressCallback


def _people(as_json: bool) -> Console:
    return Console(stderr=as_json, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class Reporter:
    """One command's mouth."""

    as_json: bool = False
    people: Console = field(init=False)

    def __post_init__(self) -> None:
        self.people = _people(self.as_json)

    def event(self, kind: str, /, **facts: object) -> None:
        """One line of JSON, for programs only; bytes are written as hex."""
        if self.as_json:
            print(json.dumps({"type": kind, **facts}, default=_plain), flush=True)

    def say(self, text: str) -> None:
        """One line for people."""
        self.people.print(escape(text))

    def warn(self, text: str) -> None:
        """Something that does not stop the command."""
        self.event("warning", text=text)
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[yellow]warning:[/] {escape(text)}")

    def fail(self, problem: PatchctlError) -> None:
        """Why the command ends, in one line."""
        self.event("error", what=problem.what, where=problem.where, hint=problem.hint, exit=problem.exit_code)
        self.fail_text(problem.line())

    def fail_text(self, text: str) -> None:
        """Why the command ends, where there is no PatchctlError."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/] {escape(text)}")

    def end(self, exit_code: int) -> None:
        """The last line of JSON."""
        self.event("result", exit=exit_code)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for people."""
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.people.print(table)

    def raw(self, data: bytes) -> None:
        """Console bytes of a board, unchanged; with --json as text of an event."""
        if self.as_json:
            self.event("console", text=data.decode("utf-8", "replace"))
        elif data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    @contextmanager
    def progress(self, what: str) -> Iterator[ProgressCallback]:
        """A bar for people at a terminal, and events for programs."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        bar = Progress(*columns, console=self.people)

        def advance(taken_bytes: int, total_bytes: int) -> None:
            if not bar.task_ids:
                bar.add_task(what)
                bar.start()
            bar.update(bar.task_ids[0], completed=taken_bytes, total=total_bytes)
            self.event("progress", taken_bytes=taken_bytes, total_bytes=total_bytes)

        try:
            yield advance
        finally:
            if bar.task_ids:
                bar.stop()


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
