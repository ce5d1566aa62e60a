"""Stop 7 of 12. An emulated board in this process: `sim:BOARD?image=FILE&flash=FILE&keys=FILE`.

Takes the board's name, and files for its firmware, its flash (kept from one command to the next) and its
key page; gives a Link in the board's own virtual time, so that the same commands give the same bytes.
Next: patchctl/emulator/machine.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from patchctl.board import Board, load_board
from patchctl.errors import InputError, LinkError, UsageError
from patchctl.firmware import check_board
from patchctl.link.base import ClosesItself, Link
from patchctl.package import keypage

if TYPE_CHECKING:
    from patchctl.emulator import Machine as EmulatedMachine

SLICE_US = 1000
BOOT_US_MAX = 500_000
_QUIET_US = 20_000
_IMAGE = "build/firmware/{board}/micropython/firmware.elf"


class SerialPort(Protocol):
    """The serial device of an emulated board, seen from outside."""

    def feed(self, data: bytes) -> None:
        """Bytes for the board."""

    def take(self) -> bytes:
        """Bytes from the board since the last call."""


class Machine(Protocol):
    """What this link needs of patchctl.emulator.Machine."""

    @property
    def serial(self) -> SerialPort:
        """The UART that console and management share."""

    @property
    def now_us(self) -> int:
        """Virtual microseconds since power came."""

    def run_us(self, us: int) -> object:
        """Runs for `us` virtual microseconds."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A `sim:` selector taken apart."""

    board: Board
    image: Path
    flash: Path | None
    keys: Path | None


def parse_selector(rest: str) -> Selector:
    """The parts of what follows `sim:`; UsageError or ConfigError if they make no sense."""
    name, _, query = rest.partition("?")
    board = load_board(name)
    options = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    image = Path(options.pop("image", "") or default_image(name))
    files = {key: Path(options.pop(key)) if key in options else None for key in ("flash", "keys")}
    if options:
        raise UsageError(f"emulated boards have no option {min(options)!r}", hint="known: image, flash, keys")
    return Selector(board, image, files["flash"], files["keys"])


def default_image(board: str) -> Path:
    """The firmware this checkout builds for `board`."""
    relative = Path(_IMAGE.format(board=board))
    checkout = Path(__file__).resolve().parents[3]
    return relative if relative.exists() else checkout / relative


def key_page_from(path: Path, board: Board) -> bytes:
    """The key page in `path`, Intel HEX or plain; KeyRefused if it holds none for this board."""
    data = _read(path, "make a key page with: patchctl keys provision")
    page = data
    if data.startswith(b":"):
        page = keypage.from_hex(data.decode("ascii", "replace"), board.keys.address)
    keypage.decode(page)
    return page


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"cannot read: {problem.strerror}", where=str(path), hint=hint) from problem


@contextmanager
def powered(selector: Selector) -> Iterator[EmulatedMachine]:
    """A powered board with that firmware, flash and keys, alone on its flash file while the block runs.

    InputError if a file is missing or not usable, TargetMismatch for another board's firmware, LinkError
    while another emulated board has the flash file.
    """
    image = _read(selector.image, f"build it with: make -C device_runtime BOARD={selector.board.name}")
    check_board(image, selector.board, str(selector.image))
    keys = key_page_from(selector.keys, selector.board) if selector.keys else None
    with ExitStack() as held:
        if selector.flash is not None:
            held.enter_context(_alone_on(selector.flash))
        yield _build_machine(selector, keys)


def _build_machine(selector: Selector, keys: bytes | None) -> EmulatedMachine:
    try:
        from patchctl.emulator import Machine as Emulated
    except ImportError as problem:
        raise LinkError(
            f"emulated boards need a package that is not installed ({problem.name})",
            where=f"sim:{selector.board.name}",
            hint="install patchctl's extra [sim]: pip install '.[sim]' in its checkout",
        ) from problem
    return Emulated(selector.board, selector.image, flash_file=selector.flash, provisioning=keys)


@contextmanager
def _alone_on(flash: Path) -> Iterator[None]:
    """The flash file, made if need be, is this board's: two would write over each other's patches.

    The lock belongs to the open file, so that a killed process leaves none.
    """
    import fcntl  # here: not every system that can push to a real board has it

    where = str(flash)
    if flash.exists() and not flash.is_file():
        raise InputError(
            "cannot keep the flash here: this is no file",
            where=where,
            hint="name a file; it is made if there is none",
        )
    try:
        file = flash.open("ab")
    except OSError as problem:
        raise InputError(f"cannot keep the flash here: {problem.strerror}", where=where) from problem
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            hint = "end it, or give each a flash file of its own"
            raise LinkError("another emulated board runs on this flash", where=where, hint=hint) from problem
        yield


class EmulatedLink(ClosesItself):
    """A Link to a Machine. Its time stands still unless somebody waits."""

    repeatable = True

    def __init__(self, machine: Machine, board_name: str) -> None:
        self._held = ExitStack()  # what close() gives back
        self.machine = machine
        self.board_name = board_name
        self.name = f"sim:{board_name}"
        self._heard = b""

    @classmethod
    def open(cls, rest: str) -> Link:
        """Powers a board up and lets its firmware start."""
        selector = parse_selector(rest)
        with ExitStack() as held:
            link = cls(held.enter_context(powered(selector)), selector.board.name)
            link.boot()
            link._held = held.pop_all()
        return link

    def boot(self) -> None:
        """Runs until the firmware has spoken and is silent, or for half a second; read() gives its words."""
        quiet_us, said = 0, b""
        while self.machine.now_us < BOOT_US_MAX and not (said and quiet_us >= _QUIET_US):
            self.machine.run_us(SLICE_US)
            heard = self.machine.serial.take()
            said += heard
            quiet_us = 0 if heard else quiet_us + SLICE_US
        self._heard = said

    def now_s(self) -> float:
        """The board's own clock."""
        return self.machine.now_us / 1_000_000

    def read(self, timeout_s: float) -> bytes:
        """Lets the board run, a millisecond at a time, until it has said something or the time is up."""
        until_us = self.machine.now_us + math.ceil(timeout_s * 1_000_000)
        data, self._heard = self._heard + self.machine.serial.take(), b""
        while not data and self.machine.now_us < until_us:
            self.machine.run_us(min(SLICE_US, until_us - self.machine.now_us))
            data = self.machine.serial.take()
        return data

    def write(self, data: bytes) -> None:
        """Puts bytes on the board's receive line; they arrive at its speed."""
        self.machine.serial.feed(data)

    def close(self) -> None:
        """Lets go of the flash file, which holds every finished write already."""
        self._held.close()
