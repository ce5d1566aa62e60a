"""Stops 2 to 12 of 12. An emulated board on a test bench: what a firmware team's regression test does to it.

Takes a board, its image and a signing key; boots it once, puts it back to that moment for every test, types,
pushes patches, cuts power. `pytest_plugin.py` gives it to tests. Next: patchctl/emulator/injection.py
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from patchctl.board import Board, load_board
from patchctl.client import Device, PushReport, connect
from patchctl.contract import Counter
from patchctl.emulator import Machine, PowerCut
from patchctl.emulator.console import Console, ScriptOutput
from patchctl.emulator.machine import FaultRecord, Snapshot
from patchctl.errors import InputError
from patchctl.firmware import check_board
from patchctl.link.emulated import EmulatedLink
from patchctl.package import keypage
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.package.signing import SigningKey
from patchctl.pipeline import build_patch

TEST_KEY: Final = SigningKey.from_seed(b"a key for tests; it signs no one")
_MAC_KEY: Final = bytes(range(32))
# What tells that an image can do something.
_SYMBOL_OF: Final = {"runtime": "hp_runtime_text_start", "micropython": "mp_init"}
_FIXED_SITES: Final = ("hp_fixed_sites_start", "hp_fixed_sites_end")
IMAGE_CAPABILITIES: Final = frozenset({*_SYMBOL_OF, "fixed_sites", "console"})
_BOOT_LIMIT_US: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """What a test runs on: a board, and the image called `image_name` at `image`."""

    board: str
    image_name: str
    image: Path

    def __str__(self) -> str:
        return f"{self.board}-{self.image_name}" if self.image_name else self.board


@dataclass(frozen=True, slots=True)
class BoardFault:
    """A fault the firmware took: its exception number, where, and in which function."""

    exception: int
    pc: int
    function: str


@dataclass(slots=True)
class Cut:
    """Whether the power failed as asked."""

    happened: bool = False


@dataclass(frozen=True, slots=True)
class Booted:
    """A machine and the moment after its boot."""

    machine: Machine
    snapshot: Snapshot


def boot(target: Target, prompt: bytes) -> Booted:
    """Powers a board up with the test key in its key page, and runs it to `prompt`, or until it is silent.

    Raises InputError if the prompt does not come, or the image is another board's.
    """
    facts = load_board(target.board)
    page = keypage.encode(keypage.Keys((TEST_KEY.public,), _MAC_KEY))
    machine = Machine(facts, target.image, provisioning=page)
    check_board(target.image.read_bytes(), facts, str(target.image))
    _start(machine, prompt)
    return Booted(machine, machine.snapshot())


def _start(machine: Machine, prompt: bytes) -> None:
    if prompt:
        machine.run_until_output(prompt, limit_us=_BOOT_LIMIT_US)
    else:
        EmulatedLink(machine, machine.board.name).boot()


def board_capabilities(board: Board) -> frozenset[str]:
    """What a test may need of a board: its core, "fpb", "fpu"."""
    core = board.chip.core
    found = {core.removesuffix("f"), *(["fpu"] if core.endswith("f") else [])}
    return frozenset(found | ({"fpb"} if board.chip.fpb else set()))


@cache
def _built(folder: Path, board: str, image: Path) -> tuple[bytes, bytes]:
    facts = load_board(board)
    return seal_patch(build_patch(folder, facts, image), facts.class_id, TEST_KEY)


class Bench:
    """One board at its prompt, with a terminal and a management client on its serial line."""

    def __init__(self, target: Target, booted: Booted, prompt: bytes, archive: Path) -> None:
        self.target = target
        self.machine = booted.machine
        self.prompt = prompt
        self._archive = Archive(archive)
        self._device: Device | None = None
        self.machine.flash.cut_never()
        self.machine.restore(booted.snapshot)
        self._resets = self.machine.resets

    def close(self) -> None:
        """Ends the management session."""
        if self._device is not None:
            self._device.close()
            self._device = None

    # What it is --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The board's."""
        return self.target.board

    @property
    def image(self) -> str:
        """The image's name, "" where there is but one."""
        return self.target.image_name

    @property
    def capabilities(self) -> frozenset[str]:
        """Those of the board, and of its image: "runtime" (it can be patched), "fixed_sites", "micropython",
        and "console" if it has a prompt.
        """
        symbols = self.machine.symbols
        found = {name for name, symbol in _SYMBOL_OF.items() if symbol in symbols}
        start, end = (symbols.get(name, 0) for name in _FIXED_SITES)
        found |= {"fixed_sites"} if start < end else set()
        found |= {"console"} if self.prompt else set()
        return board_capabilities(self.machine.board) | found

    @property
    def device(self) -> Device:
        """The management client, on the line that the console shares."""
        if self._device is None:
            link = EmulatedLink(self.machine, self.name)
            self._device = connect(link, archive=self._archive, known_keys=(TEST_KEY.public,))
        return self._device

    @property
    def faults(self) -> list[BoardFault]:
        """Every fault the firmware took in this test, the oldest first."""
        return [self._fault(record) for record in self.machine.faults]

    def _fault(self, record: FaultRecord) -> BoardFault:
        return BoardFault(record.exception, record.pc, self.machine.symbol_at(record.pc))

    @property
    def resets(self) -> int:
        """System resets in this test."""
        return self.machine.resets - self._resets

    @property
    def counters(self) -> dict[Counter, int]:
        """What the runtime has counted since its last reset."""
        return self.device.counters()

    def hits(self, patch_id: str) -> int:
        """How often the patch's site was reached; 0 for a patch that the board does not know."""
        patch = self.device.patch(patch_id)
        return 0 if patch is None else patch.hits

    def variable(self, name: str, size: int = 4) -> int:
        """A variable of the firmware, little-endian; InputError if the image has no such symbol."""
        address = self.machine.symbols.get(name)
        if address is None:
            near = get_close_matches(name, self.machine.symbols, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "build it with its symbols"
            raise InputError(f"no variable {name!r} in the firmware", where=str(self.target.image), hint=hint)
        return int.from_bytes(self.machine.read_memory(address, size), "little")

    # The console -------------------------------------------------------------------------------------------

    def type(self, data: bytes, *, wait_ms: int = 0) -> bytes:
        """Types bytes as they are; gives what the board sent within `wait_ms` of its time."""
        self.machine.serial.feed(data)
        self.machine.run_us(wait_ms * 1000)
        return self.machine.serial.take()

    def console(self, line: str) -> str:
        """Types one line; gives what the board printed before its next prompt, without the echo.

        Raises InputError, with the faults that were taken, if the prompt does not come back.
        """
        self._demand("console", "patchctl_prompt is empty; type() needs no prompt")
        return Console(self.machine, self.prompt).line(line)

    def attack(self, text: str | Path, *, wait_ms: int = 300) -> str:
        """Types lines of which the last may end the firmware; what it printed within `wait_ms` of that.

        InputError if there is no line.
        """
        lines = (text.read_text(encoding="utf-8") if isinstance(text, Path) else text).splitlines()
        if not lines:
            hint = "type(b'\\r') sends an empty line"
            raise InputError("an attack without a line", where=str(self.target), hint=hint)
        for line in lines[:-1]:
            self.console(line)
        return self.type(lines[-1].encode() + b"\r", wait_ms=wait_ms).decode(errors="replace")

    def run_script(self, script: str | bytes | Path, *, limit_ms: int = 60_000) -> ScriptOutput:
        """Runs a script in MicroPython's raw REPL; it may compute for `limit_ms` of the board's time."""
        return Console(self.machine, self.prompt).run_script(script, limit_ms=limit_ms)

    # Patches -----------------------------------------------------------------------------------------------

    def push(self, patch: Path | str | bytes, *, confirm: bool = True) -> PushReport:
        """Builds a patch folder for this image and signs it with the test key, or takes a container; pushes.

        A folder is built once a session. Raises what building and pushing raise.
        """
        self._demand("runtime", "link hp_runtime.o (device_runtime/README.md)")
        if isinstance(patch, bytes):
            return self.device.push(patch, confirm=confirm)
        install, undo = _built(Path(patch).resolve(), self.name, self.target.image)
        return self.device.push(install, undo=undo, confirm=confirm)

    def rollback(self, patch_id: str) -> PushReport:
        """Takes a patch out that was pushed from its folder in this test."""
        return self.device.rollback(patch_id)

    def _demand(self, capability: str, hint: str) -> None:
        if capability not in self.capabilities:
            mark = f'@pytest.mark.needs("{capability}") skips the test'
            raise InputError(f"has no {capability}", where=str(self.target), hint=f"{hint}; {mark}")

    # Power -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Presses the reset button and waits for the prompt."""
        self.machine.reset()
        self._restarted()

    def power_cycle(self) -> None:
        """Off and on: RAM is lost, flash stays; waits for the prompt."""
        self.machine.power_cycle()
        self._restarted()

    @contextmanager
    def cut_power(self, *, after: int, shape: int = 0, may_miss: bool = False) -> Iterator[Cut]:
        """In this block power fails in the flash operation behind `after` finished ones; then it comes back.

        `shape` (0 to 15) says what the last operation still did: 0 nothing, 1 all, the others a part.
        InputError if the block has no such operation, unless it `may_miss` it.
        """
        cut = Cut()
        flash = self.machine.flash
        before = flash.operations
        flash.cut_after(after, shape)
        try:
            yield cut
        except PowerCut:
            cut.happened = True
        finally:
            flash.cut_never()
        if cut.happened:
            self.power_cycle()
        elif not may_miss:
            done = flash.operations - before
            what = f"power was to fail behind {after} flash operations, and the block had {done}"
            raise InputError(what, where=str(self.target), hint="cut earlier, or allow it: may_miss=True")

    def _restarted(self) -> None:
        self.close()
        self.machine.serial.take()
        _start(self.machine, self.prompt)
