"""libFuzzer finds nothing in the structural check and the engine, and finds what is planted there."""

from __future__ import annotations

import re

import pytest
from patchctl.contract import OPCODES
from patchctl.structure import Limits, check

from tests.engine import ROOT, SOURCES
from tests.fuzzing import CORPUS, DICTIONARY, build_fuzzer, clang, fuzz

RUNS = 60_000
CLANG = clang()
needs_clang = pytest.mark.skipif(CLANG is None, reason="no clang with libFuzzer: ./tools/dev doctor")


@needs_clang
def test_a_counted_number_of_runs_crashes_nothing(tmp_path):
    code, said = fuzz(build_fuzzer(str(CLANG), tmp_path), tmp_path, [f"-runs={RUNS}"])

    assert code == 0, said[-3000:]
    executed = re.search(r"number_of_executed_units: (\d+)", said)
    assert executed is not None
    assert int(executed[1]) >= RUNS


@needs_clang
def test_a_planted_overflow_is_found_from_the_corpus(tmp_path, monkeypatch):
    text = (ROOT / "device_runtime/core/vm.c").read_text()
    assert text.count("(cache->last + (8U - bytes))") == 1
    changed = tmp_path / "vm.c"
    changed.write_text(text.replace("(cache->last + (8U - bytes))", "(cache->last + 16U)"))
    others = [source for source in SOURCES if not source.endswith("/vm.c")]
    monkeypatch.setattr("tests.fuzzing.SOURCES", (*others, str(changed)))

    code, said = fuzz(build_fuzzer(str(CLANG), tmp_path), tmp_path, [f"-runs={RUNS}"])

    assert code != 0
    assert "AddressSanitizer" in said


def test_corpus_is_small_and_most_of_it_is_accepted_by_the_check():
    paths = sorted(CORPUS.iterdir())
    limits = Limits(512, 5, frozenset({1}))
    accepted = [path for path in paths if check(path.read_bytes()[4:], limits)[0] == 0]

    assert sum(path.stat().st_size for path in paths) < 100_000
    assert len(accepted) > len(paths) // 2


def test_dictionary_names_every_opcode_byte():
    named = {int(byte, 16) for byte in re.findall(r'="\\x([0-9a-f]{2})"', DICTIONARY.read_text())}

    assert named == {int(op) for op in OPCODES}
