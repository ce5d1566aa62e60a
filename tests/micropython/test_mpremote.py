"""MicroPython's own tool works on the line of a board that is also patched over it, before and after."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patchctl.bench import TEST_KEY
from patchctl.board import load_board
from patchctl.client import connect
from patchctl.contract import PatchState
from patchctl.package import keypage
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch

from tests.micropython.firmware import ROOT, firmware_elf

BOARD = "nrf52840dk"
TIMEOUT_S = 120
ATTACK = """import sys
sys.modules['m'] = 42
try:
    from m import *
except ImportError as problem:
    print('refused:', problem)
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """`patchctl sim run` on a pseudo-terminal, in the background: its path."""
    page = tmp_path / "keys.bin"
    page.write_bytes(keypage.encode(keypage.Keys((TEST_KEY.public,), bytes(32))))
    command = [sys.executable, "-m", "patchctl", "sim", "run", BOARD, "--image", str(firmware_elf(BOARD))]
    with subprocess.Popen([*command, "--keys", str(page)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix("serial:")
        process.terminate()
        process.wait(TIMEOUT_S)


def mpremote(port: str, *arguments: str) -> str:
    """What `mpremote connect PORT ...` prints."""
    command = [sys.executable, "-m", "mpremote", "connect", port, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("\r\n", "\n")


@pytest.mark.xdist_group(f"{BOARD}-micropython")
def test_mpremote_works_before_and_after_patches_are_pushed_over_the_same_line(
    port: str, tmp_path: Path
) -> None:
    script = tmp_path / "attack.py"
    script.write_text(ATTACK, encoding="utf-8")
    facts = load_board(BOARD)
    install, undo = seal_patch(
        build_patch(ROOT / "patches" / "import_all", facts, firmware_elf(BOARD)), facts.class_id, TEST_KEY
    )

    def in_a_session(*containers: bytes) -> PatchState:
        archive, keys = Archive(tmp_path / "archive"), (TEST_KEY.public,)
        with connect(f"serial:{port}", archive=archive, known_keys=keys) as device:
            if containers:
                return device.push(containers[0], undo=containers[1]).state
            return device.rollback("import_all").state

    assert mpremote(port, "exec", "print(6*7)") == "42\n"
    assert in_a_session(install, undo) is PatchState.UPDATED
    assert mpremote(port, "run", str(script)) == "refused: not a module\n"
    assert mpremote(port, "eval", "2**20") == "1048576\n"
    assert in_a_session() is PatchState.UNDONE
    assert mpremote(port, "exec", "print('still here')") == "still here\n"
