"""tools/conformance-plugin speaks bpf_conformance's protocol for each engine: hex in, r0 in hex out."""

from __future__ import annotations

import subprocess
import sys

import pytest
from patchctl.assembly import assemble
from patchctl.isa import encode

from tests.engine import ROOT

pytest.importorskip("unicorn", reason="emulated cores need the sim extra")

ENGINES = (
    ("reference",),
    ("native",),
    ("board", "--core", "cortex-m0plus"),
    ("board", "--core", "cortex-m3"),
    ("board", "--core", "cortex-m4"),
    ("board", "--core", "cortex-m33"),
)
engines = pytest.mark.parametrize("engine", ENGINES, ids=" ".join)


def run_plugin(engine: tuple[str, ...], code: bytes, *memory: str) -> subprocess.CompletedProcess[str]:
    """The runner separates bytes by two spaces, in the argument and on standard input."""
    command = [sys.executable, str(ROOT / "tools/conformance-plugin"), *memory, "--engine", *engine]
    return subprocess.run(
        command, input=code.hex(" ").replace(" ", "  ") + "\n", capture_output=True, text=True, check=False
    )


def program(text: str) -> bytes:
    return encode(assemble(text))


@engines
def test_result_of_a_program_is_printed_in_hex(engine):
    code = program("r0 = *(u32 *)(r1 + 4)\nr0 <<= 16\nr0 += r2\nexit")

    end = run_plugin(engine, code, "00  11  22  33  44  55  66  f7  ")

    assert (end.returncode, end.stdout, end.stderr) == (0, "f76655440008\n", "")


@engines
@pytest.mark.parametrize(
    "code, reason",
    [
        (program("r0 = *(u8 *)(r1 + 0)\nexit"), "fault: memory"),
        (bytes.fromhex("b700000001000000"), "instruction 0: "),
        (b"", "instruction 0: "),
    ],
    ids=("memory", "refused", "empty"),
)
def test_failure_is_told_on_standard_error(engine, code, reason):
    end = run_plugin(engine, code)

    assert (end.returncode, end.stdout) == (1, "")
    assert reason in end.stderr


def test_program_without_end_ends_by_fuel():
    end = run_plugin(("native",), program("goto -1"))

    assert (end.returncode, end.stdout) == (1, "")
    assert "fault: fuel" in end.stderr
