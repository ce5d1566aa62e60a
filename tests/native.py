"""Stops 8 to 12 of 12. The board's core on this machine: build/native/libhotpatch.so, by ctypes.

Takes a board's facts and a Flash; gives a NativeDevice that is fed with bytes of the line, whose sites are
reached by fire(), and whose power can fail in any flash operation. Next: device_runtime/port/native/port.c
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from patchctl.board import VENDOR_ID, Board, load_board
from patchctl.contract import Counter, PatchState, Status
from patchctl.emulator.flash import Flash, PowerCut
from patchctl.link.slipmux import Console, Decoder, Dropped, Message, frame_message
from patchctl.package import keypage
from patchctl.package.signing import PublicKey

ROOT = Path(__file__).parents[1]
BUILD_ID = bytes(range(20))
TEXT = (0x0000_1000, 0x0004_0000)  # address, bytes: the firmware's code in these tests
RUNTIME_TEXT = (0x0003_0000, 0x0000_1000)
MAC_KEY = bytes(range(32, 64))
_U32, _U8P = ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint8)
_PROGRAM = ctypes.CFUNCTYPE(ctypes.c_int32, _U32, ctypes.c_void_p, ctypes.c_size_t)
_ERASE = ctypes.CFUNCTYPE(ctypes.c_int32, _U32)
_WRITE = ctypes.CFUNCTYPE(None, _U8P, ctypes.c_size_t)
_CONSOLE = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_uint8)
_NOW = ctypes.CFUNCTYPE(_U32)
_ARM = ctypes.CFUNCTYPE(ctypes.c_int32, _U32, _U32, _U32)
_DISARM = ctypes.CFUNCTYPE(None, _U32)

_DURING = ctypes.CFUNCTYPE(None)
_QUIET = ctypes.CFUNCTYPE(ctypes.c_bool, _U32, _U32)


class _Callbacks(ctypes.Structure):
    _fields_ = [
        ("flash_program", _PROGRAM),
        ("flash_erase", _ERASE),
        ("serial_write", _WRITE),
        ("console_input", _CONSOLE),
        ("now_ms", _NOW),
        ("trigger_arm", _ARM),
        ("trigger_disarm", _DISARM),
        ("stack_room", _NOW),
        ("level", _NOW),
        ("quiet", _QUIET),
        ("during_run", _DURING),
    ]


class Frame(ctypes.Structure):
    """hp_frame_t: the registers that the veneer saved."""

    _fields_ = [
        ("apsr", _U32),
        ("r4_r11", _U32 * 8),
        ("lr", _U32),
        ("r0_r3", _U32 * 4),
        ("r12", _U32),
        ("pc", _U32),
    ]

    def words(self) -> tuple[int, ...]:
        """Every saved word, in memory's order."""
        return tuple(int.from_bytes(bytes(self)[at : at + 4], "little") for at in range(0, 64, 4))


class _PatchInfo(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_char * 33),
        ("sequence", _U32),
        ("state", _U32),
        ("hits", _U32),
        ("safe_verdicts", _U32),
        ("last_fault", _U32),
        ("armed", ctypes.c_bool),
    ]


@dataclass(frozen=True, slots=True)
class PatchInfo:
    """What the board says of one patch."""

    sequence: int
    state: PatchState
    armed: bool
    hits: int
    safe_verdicts: int
    last_fault: int


@functools.cache
def library() -> ctypes.CDLL:
    """The native library, built first if a source is newer."""
    lock = ROOT / "build/native.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:  # test processes run side by side, and make must not
        fcntl.flock(held, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-f", ROOT / "device_runtime/native.mk", "native"], check=True)
    loaded = ctypes.CDLL(str(ROOT / "build/native/libhotpatch.so"))
    loaded.native_open.restype = ctypes.c_void_p
    loaded.native_runtime.restype = ctypes.c_void_p
    loaded.hp_fault_frame.restype = ctypes.c_void_p
    loaded.hp_fire.restype = ctypes.c_bool
    loaded.hp_session_open.restype = ctypes.c_bool
    loaded.hp_counter.restype = _U32
    loaded.hp_fcs16.restype = ctypes.c_uint16
    loaded.hp_crc32.restype = _U32
    loaded.hp_verify_twice.restype = _U32
    return loaded


def blank_flash(board: Board, keys: tuple[PublicKey, ...]) -> Flash:
    """Flash with a firmware's text of counted bytes and a key page."""
    flash = Flash(board.flash, bytearray(b"\xff" * board.flash.bytes))
    flash.load(TEXT[0], (bytes(range(251)) * (TEXT[1] // 251 + 1))[: TEXT[1]])
    if keys:
        flash.load(board.keys.address, keypage.encode(keypage.Keys(keys, MAC_KEY)))
    return flash


@dataclass
class NativeDevice:
    """One powered board. After power has failed every flash operation fails: the core cannot tell this from a
    cut, since nothing it does later reaches flash; reboot() is what follows."""

    flash: Flash
    board: Board = field(default_factory=lambda: load_board("nrf52840dk"))
    build_id: bytes = BUILD_ID
    trigger_count: int = 6
    now_ms: int = 0
    stack_room: int = 4096
    level: int = 0  # the exception that a hit is in
    quiet: Callable[[int, int], bool] = lambda _address, _size: True  # nobody interrupted is inside
    during_run: Callable[[], None] = lambda: None  # called while a hit owns its record
    on_room_asked: Callable[[], None] = lambda: None  # called when a hit asks for room on its stack
    on_sent: Callable[[], None] = lambda: None  # called when the board wrote to the line
    outlives_failures: bool = False  # an operation that fails leaves the board running and later ones work
    dead: bool = False
    console: bytearray = field(default_factory=bytearray)
    sent: bytearray = field(default_factory=bytearray)
    armed: dict[int, tuple[int, int]] = field(default_factory=dict)  # trigger -> (site, resume)
    refused_sites: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._ram = bytearray(self.board.ram.bytes)
        self._handle: int | None = None
        self._decoder = Decoder()
        self._message_id = 0x1000
        self._callbacks = self._bind()
        self.start()

    def __del__(self) -> None:
        if self._handle is not None:
            library().native_close(ctypes.c_void_p(self._handle))

    # ------------------------------------------------ life

    def start(self) -> Status:
        """Power on: a fresh runtime over the same flash."""
        lib = library()
        if self._handle is not None:
            lib.native_close(ctypes.c_void_p(self._handle))
        self.armed.clear()
        self.dead = False
        board = self.board
        numbers = (_U32 * 16)(
            *(board.flash.page_bytes, board.journal_address, board.journal_bytes),
            *(board.stage_address, board.stage_bytes),
            *(board.slots_address, board.slot_bytes, board.store.slot_count, board.keys.address),
            *(self.trigger_count, board.limits.program_count_max, *TEXT, *RUNTIME_TEXT),
            board.limits.variable_bytes,
        )
        self._handle = lib.native_open(
            *(ctypes.byref(self._callbacks), board.name.encode(), VENDOR_ID.bytes, board.class_id),
            *(self.build_id, len(self.build_id), board.limits.arena_bytes, numbers),
        )
        handle = ctypes.c_void_p(self._handle)
        self._flash_view = (ctypes.c_uint8 * board.flash.bytes).from_buffer(self.flash.buffer)
        self._ram_view = (ctypes.c_uint8 * board.ram.bytes).from_buffer(self._ram)
        lib.native_lend(handle, board.flash.address, board.flash.bytes, self._flash_view)
        lib.native_lend(handle, board.ram.address, board.ram.bytes, self._ram_view)
        for address, size in board.readable:
            lib.native_let_read(handle, address, size)
        self._runtime = ctypes.c_void_p(lib.native_runtime(handle))
        return Status(lib.native_start(handle))

    def reboot(self) -> Status:
        """Reset, with power back if it had failed."""
        self.flash.cut_never()
        return self.start()

    def _bind(self) -> _Callbacks:
        return _Callbacks(
            _PROGRAM(
                lambda at, data, size: self._change(self.flash.program, at, ctypes.string_at(data, size))
            ),
            _ERASE(lambda at: self._change(self.flash.erase, at)),
            _WRITE(lambda data, size: self._send(ctypes.string_at(data, size))),
            _CONSOLE(self._take_console),
            _NOW(lambda: self.now_ms),
            _ARM(self._arm),
            _DISARM(lambda index: self._disarm(index)),
            _NOW(self._room),
            _NOW(lambda: self.level),
            _QUIET(lambda address, size: self.quiet(address, size)),
            _DURING(lambda: self.during_run()),
        )

    def _change(self, operation, *arguments) -> int:
        failed = self.dead
        if not failed:
            try:
                operation(*arguments)
            except PowerCut:
                failed, self.dead = True, not self.outlives_failures
        return Status.FLASH_FAILED if failed else Status.OK

    def _take_console(self, byte: int) -> bool:
        self.console.append(byte)
        return True

    def _send(self, data: bytes) -> None:
        self.sent.extend(data)
        self.on_sent()

    def _room(self) -> int:
        self.on_room_asked()
        return self.stack_room

    def _arm(self, index: int, address: int, resume: int) -> int:
        if address in self.refused_sites:
            return Status.ILLEGAL_SITE
        self.armed[index] = (address, resume)
        return Status.OK

    def _disarm(self, index: int) -> None:
        self.armed.pop(index, None)

    # ------------------------------------------------ the line

    def feed(self, data: bytes) -> None:
        """Bytes from the host."""
        library().hp_feed(self._runtime, data, ctypes.c_size_t(len(data)))

    def poll(self) -> None:
        """hp_poll."""
        library().hp_poll(self._runtime)

    def print(self, text: bytes) -> None:
        """Console text of the firmware."""
        library().hp_console(self._runtime, text, ctypes.c_size_t(len(text)))

    def take(self) -> list[Console | Message | Dropped]:
        """What the board sent since the last call."""
        data = bytes(self.sent)
        self.sent.clear()
        return self._decoder.feed(data, self.now_ms / 1000)

    def exchange(self, message: bytes) -> bytes:
        """The one CoAP message that answers `message`; b"" if the board is silent."""
        self.feed(frame_message(message))
        answers = [event.data for event in self.take() if isinstance(event, Message)]
        assert len(answers) <= 1
        return answers[0] if answers else b""

    def next_message_id(self) -> int:
        """A message id not used before."""
        self._message_id += 1
        return self._message_id & 0xFFFF

    @property
    def session(self) -> bool:
        """Whether a management session is open."""
        return bool(library().hp_session_open(self._runtime))

    # ------------------------------------------------ the runtime

    def counter(self, counter: Counter) -> int:
        """One counter."""
        return int(library().hp_counter(self._runtime, counter))

    def patches(self) -> dict[str, PatchInfo]:
        """Every patch the board knows."""
        found: dict[str, PatchInfo] = {}
        info = _PatchInfo()
        while library().hp_patch_info(self._runtime, len(found), ctypes.byref(info)) == Status.OK:
            found[info.id.decode()] = PatchInfo(
                *(
                    info.sequence,
                    PatchState(info.state),
                    info.armed,
                    info.hits,
                    info.safe_verdicts,
                    info.last_fault,
                )
            )
        return found

    def confirm(self, patch_id: str) -> Status:
        """hp_confirm."""
        return Status(library().hp_confirm(self._runtime, patch_id.encode()))

    def trigger_at(self, address: int) -> int:
        """The trigger armed at `address`; KeyError if none is."""
        return {site: index for index, (site, _) in self.armed.items()}[address]

    def frame(self, address: int, **values: int) -> Frame:
        """A frame as the veneer makes it at the site `address`; r0 to r12, lr and apsr as given."""
        index = self.trigger_at(address)
        frame = Frame(lr=0x0000_2001, pc=self.armed[index][1])
        for name, value in values.items():
            number = int(name[1:]) if name[0] == "r" else -1
            if 0 <= number <= 3:
                frame.r0_r3[number] = value
            elif 4 <= number <= 11:
                frame.r4_r11[number - 4] = value
            else:
                setattr(frame, name, value)
        return frame

    def fire(self, address: int, frame: Frame) -> bool:
        """The firmware reaches `address`; the frame is what the veneer then restores."""
        return self.fire_trigger(self.trigger_at(address), frame)

    def fire_trigger(self, index: int, frame: Frame) -> bool:
        """hp_fire."""
        return bool(library().hp_fire(self._runtime, index, ctypes.byref(frame)))

    def fault_frame(self, stack_pointer: int) -> int:
        """hp_fault_frame at the current level: the frame's address, or 0."""
        return library().hp_fault_frame(self._runtime, _U32(stack_pointer & 0xFFFF_FFFF), self.level) or 0

    def abort(self, frame: Frame) -> None:
        """hp_abort."""
        library().hp_abort(self._runtime, ctypes.byref(frame))
