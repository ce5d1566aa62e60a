"""Bugs planted in a copy of the verifier: each makes a named vector come out otherwise.

The copy is a package of its own, so that the verifier under test stays what it is.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import patchctl.verifier
import pytest
from patchctl.assembly import assemble
from patchctl.binding import BoundProgram
from patchctl.contract import Verdict
from patchctl.description import REGISTERS
from patchctl.isa import encode

from tests.spoiling import spoiled

SOURCES = Path(patchctl.verifier.__file__).parent
VECTORS = Path(__file__).parents[1] / "vectors" / "verify"


@dataclass(frozen=True, slots=True)
class Bug:
    """`found` in `file` becomes `planted`; the vector `seen_by` must then come out otherwise."""

    name: str
    file: str
    found: str
    planted: str
    seen_by: str


BUGS = (
    Bug(
        "off by one at the end of a region",
        "transfer.py",
        "if low < 0 or high + size > room:",
        "if low < 0 or high + size > room + 1:",
        "reject_stack_above_its_end",
    ),
    Bug(
        "an unsigned bound used for a signed comparison",
        "compare.py",
        "first._replace(signed_high=min(first.signed_high, second.signed_high - gap)),",
        "first._replace(high=min(first.high, second.high - gap)),",
        "reject_signed_byte_with_one_test",
    ),
    Bug(
        "a join that keeps the narrower interval",
        "bits.py",
        "        max(first.high, second.high),\n        min(first.signed_low",
        "        min(first.high, second.high),\n        min(first.signed_low",
        "reject_larger_of_two_indexes",
    ),
    Bug(
        "arguments that survive a helper",
        "transfer.py",
        "        for register in range(1, 6):\n            state.registers[register] = None\n",
        "",
        "reject_argument_register_after_a_call",
    ),
    Bug(
        "arguments that survive a sub-program",
        "state.py",
        "        registers[1:6] = [None] * 5\n",
        "",
        "reject_argument_register_after_a_sub_program",
    ),
    Bug(
        "a sub-program that sees the caller's r6",
        "state.py",
        "        registers[6:10] = [None] * _KEPT\n",
        "",
        "reject_callers_register_in_a_sub_program",
    ),
    Bug(
        "one caller too many",
        "paths.py",
        "if state.depth >= SUB_PROGRAMS_DEEP:",
        "if state.depth > SUB_PROGRAMS_DEEP:",
        "reject_recursion",
    ),
    Bug(
        "a store into a spilled number that leaves it known",
        "state.py",
        "if offset >= high or offset + entry[0] <= low",
        "if offset >= high or offset < low or offset + entry[0] <= low",
        "reject_spilled_index_overwritten_in_its_middle",
    ),
    Bug(
        "a loop of all rounds that is followed once",
        "paths.py",
        "            if covers(current, after):\n",
        "            if tries == 0:\n",
        "reject_metered_index_that_grows_late",
    ),
    Bug(
        "a remainder as large as its divisor",
        "bits.py",
        "below = _magnitude(second.signed_low, second.signed_high) - 1",
        "below = _magnitude(second.signed_low, second.signed_high) - 2",
        "reject_signed_remainder_too_large",
    ),
    Bug(
        "an unbounded loop is nothing to tell",
        "paths.py",
        "if not self._limits.metered:",
        "if self._limits.metered:",
        "reject_loop_without_an_end",
    ),
    Bug(
        "variables as large as the data section",
        "transfer.py",
        "Region.VARIABLES: self._limits.variable_bytes,",
        "Region.VARIABLES: self._limits.data_bytes,",
        "reject_load_behind_the_variables_beside_more_data",
    ),
    Bug(
        "a data section as large as the variables",
        "transfer.py",
        "Region.DATA: self._limits.data_bytes,",
        "Region.DATA: self._limits.variable_bytes,",
        "reject_load_behind_the_data_beside_more_variables",
    ),
    Bug(
        "variables that are trusted to be 0",
        "transfer.py",
        "        state.registers[i.dst] = value\n\n    def store(",
        "        is_kept = pointer.region is Region.VARIABLES\n"
        "        state.registers[i.dst] = constant(0) if is_kept else value\n\n    def store(",
        "reject_variable_as_an_index",
    ),
    Bug(
        "a fetched variable that is trusted to be 0",
        "transfer.py",
        "            state.registers[register] = unknown(8 * size)",
        "            is_kept = pointer.region is Region.VARIABLES\n"
        "            state.registers[register] = constant(0) if is_kept else unknown(8 * size)",
        "reject_fetched_variable_as_an_index",
    ),
    Bug(
        "variables that hold what the stack does at their offset",
        "transfer.py",
        "if pointer.region is Region.STACK and kept and",
        "if kept and",
        "reject_variable_at_the_offset_of_a_spilled_index",
    ),
    Bug(
        "variables that are known to hold what this run stored",
        "transfer.py",
        "            self._check_kept_value(at, i, value)\n        else:\n            self._store_on_stack",
        "            self._check_kept_value(at, i, value)\n"
        "            state.store_slot(pointer.whole.signed_low + i.offset, size, value)\n"
        "        else:\n            self._store_on_stack",
        "reject_spilled_index_that_a_variable_hides",
    ),
    Bug(
        "an address of the stack that a variable may keep",
        "transfer.py",
        "        if value.region in (Region.STACK, Region.CONTEXT):\n"
        "            self.report(\n"
        "                Finding(\n"
        "                    at,\n"
        '                    "pointer",\n'
        '                    f"a variable would keep',
        "        if value.region is Region.CONTEXT:\n"
        "            self.report(\n"
        "                Finding(\n"
        "                    at,\n"
        '                    "pointer",\n'
        '                    f"a variable would keep',
        "reject_address_of_the_stack_in_a_variable",
    ),
    Bug(
        "an address that a variable may keep by an atomic operation",
        "transfer.py",
        "                self._check_kept_value(at, i, value)\n            else:\n"
        "                self._check_context_write",
        "                pass\n            else:\n                self._check_context_write",
        "reject_atomic_exchange_of_a_variable_with_an_address",
    ),
    Bug(
        "a write to constants",
        "transfer.py",
        'if region is None or (region is Region.DATA and verb == "write"):',
        "if region is None:",
        "reject_write_to_data_beside_variables",
    ),
    Bug(
        "an address of constants taken for one of variables",
        "transfer.py",
        "constant(i.imm_high, _SECTIONS[i.imm])",
        "constant(i.imm_high, Region.VARIABLES)",
        "reject_atomic_on_data_beside_variables",
    ),
    Bug(
        "more variables than a slot has room for",
        "analyze.py",
        "if limits.variable_bytes > limits.variable_bytes_max:",
        "if limits.variable_bytes < limits.variable_bytes_max:",
        "reject_more_variables_than_the_board_has",
    ),
    Bug(
        "a structure that knows no end of the variables",
        "analyze.py",
        "limits.data_bytes, limits.variable_bytes, frozenset(Helper)",
        "limits.data_bytes, limits.variable_bytes + 8, frozenset(Helper)",
        "reject_address_behind_the_variables",
    ),
)


def changed_verifier(bug, folder, name):
    """The package `name` in `folder`: the verifier with `bug`, which its text holds exactly once."""
    shutil.copytree(SOURCES, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder / name).glob("*.py"):
        path.write_text(path.read_text().replace("patchctl.verifier", name))
    target = folder / name / bug.file
    target.write_text(spoiled(target.read_text(), (bug.found, bug.planted), of=bug.file))
    return importlib.import_module(name)


def comes_out(verifier, vector):
    """Whether `vector` is judged by `verifier` as it says: a reason at a place."""
    case = tomllib.loads((VECTORS / f"{vector}.toml").read_text())
    given = dict(case.get("limits", {}))
    writable = sum(1 << REGISTERS.index(register) for register in given.pop("writable", []))
    limits = verifier.Limits(frozenset({Verdict.PASS, Verdict.RETURN}), writable, **given)
    program = BoundProgram("case", "case.c", encode(assemble(case["code"])), b"", {})
    findings = verifier.verify(program, limits).findings
    return [(first.at, first.kind) for first in findings[:1]] == [
        (case["finding"]["at"], case["finding"]["kind"])
    ]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_is_seen_by_its_vector(bug, tmp_path, monkeypatch):
    name = f"verifier_with_bug_{BUGS.index(bug)}"
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        broken = changed_verifier(bug, tmp_path, name)

        assert comes_out(patchctl.verifier, bug.seen_by)
        assert not comes_out(broken, bug.seen_by)
    finally:
        for module in [module for module in sys.modules if module.split(".")[0] == name]:
            del sys.modules[module]
