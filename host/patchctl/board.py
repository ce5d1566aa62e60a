"""Stops 2 to 12 of 12. Boards are facts: boards/*.toml as frozen values.

Takes a board's name; gives a Board with its chip, memory, devices, store and limits. The only module that
knows the keys of a board file; unknown keys are refused with the nearest known one. Next: whoever asks.
"""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from patchctl.contract import VENDOR_NAME
from patchctl.errors import ConfigError

_NULL_BYTES = 8
VENDOR_ID = uuid.uuid5(uuid.NAMESPACE_DNS, VENDOR_NAME)


@dataclass(frozen=True, slots=True)
class Region:
    """Memory at absolute `address`. Flash has a page size, a program unit and times; RAM has zeros there."""

    name: str
    address: int
    bytes: int
    access: str
    page_bytes: int = 0
    program_unit: int = 0
    program_us: int = 0
    erase_us: int = 0
    alias: int = -1  # a second address at which the same memory is seen; -1: none
    banks: int = 1  # the core runs on from one bank while another is busy
    ecc: bool = False  # a torn program unit cannot be read without a fault

    @property
    def bank_bytes(self) -> int:
        """Size of one bank."""
        return self.bytes // self.banks

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.address + self.bytes

    @property
    def starts(self) -> tuple[int, ...]:
        """The addresses at which the region's memory begins: its own, and its alias."""
        return (self.address,) if self.alias < 0 else (self.address, self.alias)


@dataclass(frozen=True, slots=True)
class Fpb:
    """The flash patch and breakpoint unit; `masked_match` is "hardfault" or "ignored"."""

    version: int
    code_comparators: int
    literal_comparators: int = 0
    masked_match: str = "hardfault"


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One peripheral: which model of the emulator sits at `address`, on which interrupt line (-1: none)."""

    name: str
    model: str
    address: int
    bytes: int
    irq: int = -1
    transmit_irq: int = -1  # of a serial device whose transmitter has a line of its own


@dataclass(frozen=True, slots=True)
class Chip:
    """One part number."""

    name: str
    core: str
    clock_hz: int
    cycles_per_instruction: tuple[int, int]
    interrupts: int
    priority_bits: int
    region: tuple[Region, ...]
    device: tuple[DeviceSpec, ...]
    fpb: Fpb | None = None
    secure_debug: bool = False  # ARMv8-M: what the authentication signals say, and DEMCR.SDME with them
    secure_debug_locked: bool = False  # ARMv8-M: DAUTHCTRL takes no writes, so the signals decide

    def region_named(self, name: str) -> Region:
        """The memory region `name`; ConfigError if the chip has none."""
        for region in self.region:
            if region.name == name:
                return region
        raise ConfigError(f"chip {self.name} has no region {name!r}", where="boards/chips")

    def device_named(self, name: str) -> DeviceSpec:
        """The peripheral `name`; ConfigError if the chip has none."""
        for device in self.device:
            if device.name == name:
                return device
        raise ConfigError(f"chip {self.name} has no device {name!r}", where="boards/chips")


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The serial device that console and management share, and the chip's pins it is wired to.

    Pins count through the ports, 32 (Nordic) or 16 (ST) each; `pin_function` is the alternate function that
    connects them to the device, -1 where pins are chosen in the device itself.
    """

    device: str
    baud: int
    transmit_pin: int
    receive_pin: int
    pin_function: int = -1


@dataclass(frozen=True, slots=True)
class Interrupts:
    """Interrupt lines the runtime takes for itself."""

    management: int


@dataclass(frozen=True, slots=True)
class Store:
    """Where patches live: two journals of `journal_pages` each, the stage, the slots, from `address` on."""

    address: int
    journal_pages: int
    stage_pages: int
    slot_count: int
    slot_pages: int

    @property
    def pages(self) -> int:
        """All pages of the store."""
        return 2 * self.journal_pages + self.stage_pages + self.slot_count * self.slot_pages


@dataclass(frozen=True, slots=True)
class KeyPage:
    """The page that holds trusted public keys and the board's own key."""

    address: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the runtime on this board has room for."""

    arena_bytes: int
    variable_bytes: int
    invocations: int
    program_count_max: int


@dataclass(frozen=True, slots=True)
class Board:
    """One circuit with its chip."""

    name: str
    about: str
    chip: Chip
    port: str
    link: LinkFacts
    interrupts: Interrupts
    store: Store
    keys: KeyPage
    limits: Limits

    @property
    def flash(self) -> Region:
        """The flash that holds firmware, store and keys."""
        return self.chip.region_named("flash")

    @property
    def ram(self) -> Region:
        """The main RAM."""
        return self.chip.region_named("ram")

    @property
    def class_id(self) -> bytes:
        """SUIT class identifier: UUID version 5 of the board's name under our vendor identifier."""
        return uuid.uuid5(VENDOR_ID, self.name).bytes

    @property
    def journal_address(self) -> int:
        """First of the two journals."""
        return self.store.address

    @property
    def journal_bytes(self) -> int:
        """Size of one of the two journals."""
        return self.store.journal_pages * self.flash.page_bytes

    @property
    def stage_address(self) -> int:
        """Where an envelope rests while it arrives."""
        return self.journal_address + 2 * self.journal_bytes

    @property
    def stage_bytes(self) -> int:
        """Largest envelope."""
        return self.store.stage_pages * self.flash.page_bytes

    @property
    def slots_address(self) -> int:
        """First slot."""
        return self.stage_address + self.stage_bytes

    @property
    def slot_bytes(self) -> int:
        """Largest payload."""
        return self.store.slot_pages * self.flash.page_bytes

    @property
    def slot_variable_bytes(self) -> int:
        """RAM that the patch in one slot has for its variables: core/hotpatch.c deals equal shares."""
        return self.limits.variable_bytes // self.store.slot_count // 8 * 8

    @property
    def firmware_bytes_max(self) -> int:
        """Flash the firmware image may fill: everything below the store."""
        return self.store.address - self.flash.address

    @property
    def readable(self) -> tuple[tuple[int, int], ...]:
        """(address, bytes) a program may read: RAM and code flash, less store and key page.

        The first bytes at address zero are left out: C cannot tell a pointer there from no memory, and a null
        pointer in firmware is a bug to be noticed.
        """
        code = max(self.flash.address, _NULL_BYTES)
        rams = [(region.address, region.bytes) for region in self.chip.region if "w" in region.access]
        return ((code, self.store.address - code), *rams)


def boards_folder() -> Path:
    """The folder of board files: inside the installed package, or at the top of a checkout."""
    installed = Path(__file__).parent / "boards"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "boards"


def board_names() -> tuple[str, ...]:
    """Every board that exists, sorted."""
    return tuple(sorted(path.stem for path in boards_folder().glob("*.toml")))


@cache
def load_board(name: str) -> Board:
    """The board called `name`; ConfigError, naming the nearest one, if there is none or its file is wrong."""
    if name not in board_names():
        raise ConfigError(f"unknown board {name!r}", hint=_suggest(name, board_names()))
    path = boards_folder() / f"{name}.toml"
    table = _read(path)
    chip = _load_chip(str(table.pop("chip", "")))
    board = _build(Board, {"name": name, "chip": chip, **table}, str(path), _BOARD_PARTS)
    _validate(board, str(path))
    return board


def _load_chip(name: str) -> Chip:
    path = boards_folder() / "chips" / f"{name}.toml"
    if not path.is_file():
        known = [chip.stem for chip in path.parent.glob("*.toml")]
        raise ConfigError(f"unknown chip {name!r}", hint=_suggest(name, known))
    table = _read(path)
    for key, kind in (("region", Region), ("device", DeviceSpec)):
        table[key] = tuple(_build(kind, row, f"{path} [[{key}]]") for row in table.get(key, []))
    if "cycles_per_instruction" in table:
        table["cycles_per_instruction"] = tuple(table["cycles_per_instruction"])
    return _build(Chip, {"name": name, **table}, str(path), {"fpb": Fpb})


_BOARD_PARTS: Mapping[str, type] = {
    "link": LinkFacts,
    "interrupts": Interrupts,
    "store": Store,
    "keys": KeyPage,
    "limits": Limits,
}

_T = TypeVar("_T")


def _build(
    kind: type[_T], table: Mapping[str, Any], where: str, parts: Mapping[str, type] | None = None
) -> _T:
    """`kind` made from `table`; unknown and missing keys are ConfigErrors."""
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]  # kind is a dataclass
    for key in table:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}", where=where, hint=_suggest(key, known))
    for key, item in known.items():
        if key not in table and item.default is MISSING:
            raise ConfigError(f"key {key!r} is missing", where=where, hint="see boards/README.md")
    inner = parts or {}
    built = {
        key: _build(inner[key], value, f"{where} [{key}]") if key in inner else value
        for key, value in table.items()
    }
    return kind(**built)


def _validate(board: Board, where: str) -> None:
    """The relations a board must keep; each failure names the facts that clash."""
    for problem in _problems(board):
        raise ConfigError(problem, where=where, hint="see boards/README.md")


def _problems(board: Board) -> Iterable[str]:
    flash, page = board.flash, board.flash.page_bytes
    spans = [(r.address, r.end, r.name) for r in board.chip.region]
    spans += [(r.alias, r.alias + r.bytes, f"{r.name}'s alias") for r in board.chip.region if r.alias >= 0]
    spans += [(d.address, d.address + d.bytes, d.name) for d in board.chip.device]
    for (_, end, first), (start, _, second) in zip(sorted(spans), sorted(spans)[1:], strict=False):
        if start < end:
            yield f"{first} and {second} overlap"
    store_end = board.store.address + board.store.pages * page
    if board.store.address % page or board.keys.address % page:
        yield "store and key page must start at a flash page"
    if not flash.address <= board.store.address < store_end <= flash.end:
        yield "the store does not fit in flash"
    if not store_end <= board.keys.address <= flash.end - page:
        yield "the key page lies outside flash or inside the store"
    if board.limits.variable_bytes < 8 * board.store.slot_count:
        yield "the variables leave less than 8 bytes for each slot"
    if not 0 <= board.interrupts.management < board.chip.interrupts:
        yield "the management interrupt does not exist on this chip"
    if board.link.device not in {device.name for device in board.chip.device}:
        yield f"the link's device {board.link.device!r} does not exist on this chip"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(str(problem), where=str(path)) from problem


def _suggest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
