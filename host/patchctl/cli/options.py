"""Stops 2 to 12 of 12. Options that several commands share, each with its one meaning.

Takes what typer parsed; gives a Reporter, a Device, an Archive. Next: patchctl/cli/device.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from patchctl.cli.report import Reporter
from patchctl.client import Device, connect
from patchctl.errors import InputError
from patchctl.package.archive import Archive, default_folder
from patchctl.package.signing import load_public_key

To = Annotated[
    str,
    typer.Option(
        "--to",
        envvar="PATCHCTL_TO",
        metavar="SELECTOR",
        help="The board: serial:/dev/ttyACM0, or sim:BOARD?image=FILE&flash=FILE&keys=FILE.",
    ),
]
ArchiveFolder = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        envvar="PATCHCTL_ARCHIVE",
        metavar="FOLDER",
        help="Where undo containers and public keys are kept; the user's data folder unless given.",
    ),
]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="A public key to check signatures with before sending."),
]
BoardName = Annotated[str, typer.Option("--board", metavar="NAME", help="A board of boards/*.toml.")]
FirmwareFile = Annotated[
    Path, typer.Option("--firmware", metavar="ELF", help="The ELF of the very build that the board runs.")
]
Compiler = Annotated[
    str | None,
    typer.Option("--cc", metavar="CLANG", help="A clang of version 19 or newer, instead of the pinned one."),
]


def reporter_of(context: typer.Context) -> Reporter:
    """The reporter that main() made for this run."""
    reporter = context.obj
    return reporter if isinstance(reporter, Reporter) else Reporter()


def archive_of(folder: Path | None) -> Archive:
    """The archive in `folder`, or in the user's data folder."""
    return Archive(folder if folder is not None else default_folder())


@contextmanager
def device_at(
    to: str, reporter: Reporter, folder: Path | None = None, keys: Sequence[Path] = ()
) -> Iterator[Device]:
    """A Device for one command; its warnings are told once the command is done."""
    known = [load_public_key(path) for path in keys]
    with connect(to, archive=archive_of(folder), known_keys=known) as device:
        try:
            yield device
        finally:
            for warning in device.warnings:
                reporter.warn(warning)


def read_container(path: Path) -> bytes:
    """The bytes of a container file; InputError if there is none."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(
            f"cannot read the container: {problem.strerror}",
            where=str(path),
            hint="make one with: patchctl build",
        ) from problem


def undo_path(container: Path) -> Path:
    """Where the undo of `container` lies: patch.suit has patch.undo.suit."""
    return container.with_suffix(f".undo{container.suffix}")
