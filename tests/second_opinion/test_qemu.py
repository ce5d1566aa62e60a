"""The same ELF on QEMU and on our emulator: consoles, management, patches and faults agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patchctl.board import board_names, load_board
from patchctl.client import Device, connect
from patchctl.contract import PatchState
from patchctl.emulator import Machine
from patchctl.emulator.console import Console
from patchctl.link.base import Link
from patchctl.link.emulated import EmulatedLink
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch

from tests.end_to_end.conftest import KEY, KEY_PAGE
from tests.end_to_end.targets import CASES, Case
from tests.micropython.firmware import ROOT, firmware_elf
from tests.second_opinion.qemu import Qemu, QemuLink, boot

BOARDS = [name for name in board_names() if load_board(name).port == "mps2"]
SCRIPTS = sorted((ROOT / "tests" / "micropython" / "scripts").glob("*.py"))
STATUS = {"cfsr": 0xE000ED28, "hfsr": 0xE000ED2C}
HARD_FAULT = 3
EXCEPTION = 0x1FF  # of XPSR

EACH = [
    pytest.param(board, case, id=f"{board}-{case.image}", marks=pytest.mark.xdist_group(board))
    for board in BOARDS
    for case in CASES
]
each_board_and_image = pytest.mark.parametrize(("board", "case"), EACH)
each_board = pytest.mark.parametrize(
    "board", [pytest.param(board, marks=pytest.mark.xdist_group(board)) for board in BOARDS]
)


@contextmanager
def pair(board: str, image: str, prompt: bytes) -> Iterator[tuple[Machine, Qemu]]:
    """The image on both, at its first prompt, which both print alike."""
    facts, elf = load_board(board), firmware_elf(board, image)
    machine = Machine(facts, elf, provisioning=KEY_PAGE)
    with boot(facts, elf, KEY_PAGE) as qemu:
        assert machine.run_until_output(prompt) == qemu.run_until_output(prompt)
        yield machine, qemu


def transcript(board: Machine | Qemu, lines: tuple[bytes, ...], prompt: bytes) -> list[bytes]:
    """What the console shows for each line, echo and prompt included."""
    shown = []
    for line in lines:
        board.serial.feed(line + b"\r")
        shown.append(board.run_until_output(b"\r\n" + prompt))
    return shown


def attack(board: Machine | Qemu, case: Case) -> None:
    transcript(board, case.attack[:-1], case.prompt)
    board.serial.feed(case.attack[-1] + b"\r")


@contextmanager
def managed(link: Link, folder: Path) -> Iterator[Device]:
    with connect(link, archive=Archive(folder), known_keys=(KEY.public,)) as device:
        yield device


@each_board_and_image
def test_the_consoles_print_the_same(board: str, case: Case) -> None:
    with pair(board, case.image, case.prompt) as both:
        ours, theirs = (transcript(one, case.benign, case.prompt) for one in both)

    assert ours == theirs


@each_board
def test_scripts_print_the_same(board: str) -> None:
    with pair(board, "micropython", b">>> ") as (machine, qemu):
        for script in SCRIPTS:
            ours, theirs = (Console(one).run_script(script) for one in (machine, qemu))
            assert ours == theirs, script.name
        assert machine.faults == []


@each_board_and_image
def test_the_attack_takes_the_same_fault(board: str, case: Case) -> None:
    with pair(board, case.image, case.prompt) as (machine, qemu):
        for one in (machine, qemu):
            attack(one, case)
        machine.run_us(300_000)
        end = next(
            (start, start + size) for start, size, name in machine.image.functions if name == "firmware_fault"
        )
        qemu.wait_for_pc(*end)
        theirs = {name: qemu.word(address) for name, address in STATUS.items()}
        exception = qemu.register("XPSR") & EXCEPTION

    assert [fault.exception for fault in machine.faults] == [exception] == [HARD_FAULT]
    assert {name: getattr(machine.faults[0], name) for name in STATUS} == theirs


@each_board_and_image
def test_a_push_repairs_both_and_they_say_the_same_of_themselves(
    board: str, case: Case, tmp_path: Path
) -> None:
    facts = load_board(board)
    built = build_patch(case.folder, facts, firmware_elf(board, case.image))
    install, undo = seal_patch(built, facts.class_id, KEY)
    seen = []
    with pair(board, case.image, case.prompt) as (machine, qemu):
        for one, link in ((machine, EmulatedLink(machine, board)), (qemu, QemuLink(qemu))):
            with managed(link, tmp_path / link.name.partition(":")[0]) as device:
                identity = device.identity()
                report = device.push(install, undo=undo)
                attack(one, case)
                one.run_until_output(case.answer + case.prompt)
                patch = device.patch(case.patch)
                seen.append((identity.board, identity.build_id, identity.keys, report, patch))

    assert seen[0] == seen[1]
    report, patch = seen[0][3:]
    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    assert (patch.hits, patch.safe_verdicts) == (1, 0)
