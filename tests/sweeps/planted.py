"""Stop 10 of 12. Bugs of the store that only a cut shows, planted in the bare image of a board.

Takes a bug: places in the core's text and what stands there instead. Gives the uncut run of a board with that
image. Next: device_runtime/core/store.c
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.pipeline import build_patch

from tests.end_to_end.conftest import KEY_PAGE
from tests.end_to_end.targets import Target
from tests.micropython.firmware import ROOT, firmware_elf
from tests.spoiling import spoiled
from tests.sweeps.changes import BARE, Change, Golden, changes_on, make_work, uncut
from tests.sweeps.cuts import CutCase, RecoveryCase

LINKED = ("boards", "host", "tools")  # what the Makefile needs beside device_runtime


@dataclass(frozen=True, slots=True)
class StoreBug:
    """In `file` each first text of `edits` becomes the second. Cuts in the change `shown_in` show it."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    shown_in: str
    shown_by: type[CutCase | RecoveryCase] = CutCase  # RecoveryCase: no first cut does


BUGS = (
    StoreBug(
        "a new journal's header is written before its records", "store.c",
        (
            (
                "    hp_status_t status = prepare(self, start, self->board->journal_bytes);\n",
                "    hp_status_t status = prepare(self, start, self->board->journal_bytes);\n"
                "    status = status == HP_STATUS_OK ? "
                "write_header(self, start, journal->generation + 1U) : status;\n",
            ),
            (
                "        status = write_header(self, start, journal->generation + 1U);\n",
                "        status = HP_STATUS_OK;\n",
            ),
        ),
        "update with a full journal",
    ),
    StoreBug(
        "the old version's slot is erased before the record that lets go of it", "admit.c",
        (
            (
                "    record.state = HP_PATCH_STATE_UPDATED;\n",
                "    const uint32_t old = self->journal.patches[index].fallback_address;\n"
                "    if (old != 0U) {\n"
                "        const uint8_t *bytes =\n"
                "            self->port->memory(self->port->context, old, HP_JOURNAL_RECORD_BYTES);\n"
                "        const uint32_t slot =\n"
                "            hp_store_slot_address(self, bytes[HP_JOURNAL_RECORD_SLOT]);\n"
                "        if (hp_store_prepare_page(self, slot) != HP_STATUS_OK) {\n"
                "            return HP_STATUS_FLASH_FAILED;\n"
                "        }\n"
                "    }\n"
                "    record.state = HP_PATCH_STATE_UPDATED;\n",
            ),
        ),
        "confirm of the update",
    ),
    StoreBug(
        "a record counts without its checks", "store.c",
        (
            (
                "    return hp_load_u32(bytes) == magic && hp_load_u32(bytes + crc_at) == crc &&\n"
                "           hp_load_u32(bytes + crc_at + 4U) == (crc ^ HP_COMMIT_MASK);\n",
                "    return hp_load_u32(bytes) == magic && crc != 0U;\n",
            ),
        ),
        "confirm",
    ),
    StoreBug(
        "a trial is rejected before the version behind it comes back", "store.c",
        (
            (
                "    if (fallback != 0U) {\n        record = decode(",
                "    if (fallback != 0U) {\n"
                "        record.state         = HP_PATCH_STATE_REJECTED;\n"
                "        record.slot          = HP_SLOT_NONE;\n"
                "        record.payload_bytes = 0;\n"
                "        const hp_status_t first = hp_store_append(self, &record, &same);\n"
                "        if (first != HP_STATUS_OK) {\n"
                "            return first;\n"
                "        }\n"
                "        record = decode(",
            ),
        ),
        "confirm of the update", RecoveryCase,
    ),
)  # fmt: skip


def image(name: str, bug: StoreBug, folder: Path) -> Path:
    """The bare image of board `name` in `folder` with the bug in it.

    Only the spoiled file is compiled: the rest is that of the board's own image.
    """
    firmware_elf(name, BARE.image)
    built = Path("build", "firmware", name)
    others = shutil.ignore_patterns("micropython", "threads")
    shutil.copytree(ROOT / "device_runtime", folder / "device_runtime")
    shutil.copytree(ROOT / built, folder / built, ignore=others)
    for part in LINKED:
        (folder / part).symlink_to(ROOT / part)
    source = folder / "device_runtime/core" / bug.file
    source.write_text(spoiled(source.read_text(), *bug.edits, of=bug.file))
    options = [f"BOARD={name}", "IMAGE=bare", f"PYTHON={sys.executable}"]
    command = ["make", "-s", "-j2", "-C", str(folder / "device_runtime"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder / built / BARE.image / "firmware.elf"


@contextmanager
def planted(name: str, bug: StoreBug) -> Iterator[Golden]:
    """The uncut run of board `name` with the bug, up to the change in which a cut shows it."""
    folder, board = TemporaryDirectory(), load_board(name)
    with folder:
        elf = image(name, bug, Path(folder.name) / "checkout")
        machine = Machine(board, elf, provisioning=KEY_PAGE)
        machine.run_until_output(BARE.prompt)
        fresh, built = machine.snapshot(), build_patch(BARE.folder, board, elf)
        target = Target(BARE, board, machine, built, fresh, fresh, folder)
        yield uncut(make_work(target, elf), changes_up_to(bug.shown_in, changes_on(board)))


def changes_up_to(last: str, changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes from the first to the one of that name."""
    names = [change.name for change in changes]
    return changes[: names.index(last) + 1]
