"""libFuzzer finds nothing in the structural check and the engine, and finds what is planted there.

Runs are counted, not timed, so that they repeat: on a common machine they take about 30 seconds a target,
a minute in all. `./tools/dev sweep fuzz` takes seconds.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from patchctl.contract import OPCODES
from patchctl.structure import Limits, check

from tests.engine import ROOT, SOURCES
from tests.fuzzing import CORPUS, DICTIONARY, TARGETS, build_fuzzer, clang, fuzz
from tests.spoiling import spoiled

RUNS = {"check": 750_000, "engine": 750_000}
RUNS_TO_FIND = 100_000
CLANG = clang()
needs_clang = pytest.mark.skipif(CLANG is None, reason="no clang with libFuzzer: ./tools/dev doctor")
PLANTED = (
    ("check", "check.c", "(target >= (int64_t)end)", "(target > (int64_t)end)"),
    ("check", "check.c", "(insn->dst == FRAME_POINTER)) ||", "(insn->dst == 9U)) ||"),
    (
        "check",
        "check.c",
        "return self->code[index * HP_INSTRUCTION_BYTES] == NO_INSTRUCTION;",
        "return false;",
    ),
    ("engine", "vm.c", "(cache->last + (8U - bytes))", "(cache->last + 16U)"),
    ("engine", "vm.c", "    clear(&space->stack);\n", ""),
    ("engine", "vm.c", "case HP_OP_JSLE32_IMM: ", "case HP_OP_JSLE32_IMM: if (true) { goto ended; } "),
    ("engine", "vm.c", "remember(&load, found)", "remember(&store, found)"),
)


@needs_clang
@pytest.mark.parametrize("target", TARGETS)
def test_a_counted_number_of_runs_crashes_nothing(target, tmp_path):
    code, said = fuzz(build_fuzzer(str(CLANG), tmp_path, target), tmp_path, [f"-runs={RUNS[target]}"])

    assert code == 0, said[-3000:]
    executed = re.search(r"number_of_executed_units: (\d+)", said)
    assert executed is not None
    assert int(executed[1]) >= RUNS[target]


@needs_clang
@pytest.mark.parametrize("target, file, found, planted", PLANTED, ids=lambda value: str(value)[:40])
def test_a_planted_bug_is_found_from_the_corpus(target, file, found, planted, tmp_path, monkeypatch):
    text = (ROOT / "device_runtime/core" / file).read_text()
    changed = tmp_path / file
    changed.write_text(spoiled(text, (found, planted), of=file))
    others = [source for source in SOURCES if not source.endswith(f"/{file}")]
    monkeypatch.setattr("tests.fuzzing.SOURCES", (*others, str(changed)))

    code, said = fuzz(build_fuzzer(str(CLANG), tmp_path, target), tmp_path, [f"-runs={RUNS_TO_FIND}"])

    assert code != 0
    assert "ERROR: AddressSanitizer" in said or "ERROR: libFuzzer: deadly signal" in said


@needs_clang
@pytest.mark.parametrize("target", TARGETS)
def test_every_input_of_the_corpus_passes_by_itself(target, tmp_path):
    program = build_fuzzer(str(CLANG), tmp_path, target)
    paths = [str(path) for path in sorted(CORPUS.iterdir())]

    end = subprocess.run([str(program), *paths], capture_output=True, text=True, check=False)

    assert end.returncode == 0, end.stderr[-3000:]
    assert end.stderr.count("Executed ") == len(paths)


def test_corpus_is_small_and_most_of_it_is_accepted_by_the_check():
    inputs = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    limits = Limits(256, 5, 24, frozenset(range(32)))
    accepted = [data for data in inputs if len(data) > 4 and check(data[4:], limits)[0] == 0]

    assert len(inputs) < 300
    assert sum(map(len, inputs)) < 200_000
    assert len(accepted) > len(inputs) // 2


def test_dictionary_names_every_opcode_byte():
    named = {int(byte, 16) for byte in re.findall(r'="\\x([0-9a-f]{2})"', DICTIONARY.read_text())}

    assert named == {int(op) for op in OPCODES}
