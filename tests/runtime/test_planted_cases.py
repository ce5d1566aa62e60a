"""Every case of the loop, spoilt alone: taken out, or its access judged wrongly; the vectors see each.

One copy of the engine holds all the bugs; its variable `planted` says which of them is real.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest
from patchctl.contract import Op
from patchctl.isa import decode

from tests.engine import ROOT, Engine, build_changed
from tests.isa_vectors import vectors
from tests.planting import BY_NAME, agrees, engine_text

RUNNABLE = [vector for vector in vectors() if vector.status == 0]
SOURCE = "*register_at(r, word >> 12U)"
ACCESS = re.compile(
    rf"(?P<case>case HP_OP_(?P<op>\w+): if )\(!(?P<way>hits|for_store)\((?P<kept>&load|&store), "
    rf"(?P<base>{re.escape(SOURCE)}|\*d), word, (?P<bytes>\d)U(?:, (?P<spent>pc > limit))?, &at\)\)"
)
PLANTING = (
    "unsigned planted = 0U;\n#define PICK(number, bug, good) ((planted == (number)) ? (bug) : (good))\n"
)


@dataclass(frozen=True, slots=True)
class Spoilt:
    """One case's bug, its number, and the vectors that must see it."""

    number: int
    name: str
    seen_by: tuple[str, ...]


class Planter:
    """Puts bugs into the loop's text and keeps account of them."""

    def __init__(self, text: str) -> None:
        self.bugs: list[Spoilt] = []
        self.text = PLANTING + re.sub(r"case HP_OP_(\w+):", self._without, ACCESS.sub(self._access, text))

    def _number(self, name: str, *seen_by: str) -> int:
        self.bugs.append(Spoilt(len(self.bugs) + 1, name, seen_by))
        return len(self.bugs)

    def _without(self, match: re.Match[str]) -> str:
        op = Op[match[1]]
        uses = [vector.name for vector in RUNNABLE if op in {insn.op for insn in decode(vector.code)}]
        number = self._number(f"{op.name} has no case", *uses)
        return f"{match[0]} if (planted == {number}U) {{ fault = HP_FAULT_CALL; goto ended; }}"

    def _access(self, match: re.Match[str]) -> str:
        name, what, kept, base, spent = match["op"], shown(match["op"]), match["kept"], match["base"], ""
        number = self._number(f"{name} checks a byte too few", f"{what} one byte past the end")
        width = f"{match['bytes']}U - PICK({number}U, 1U, 0U)"
        if match["way"] == "for_store":
            number = self._number(
                f"{name} looks where loads may", f"{what} where a load just hit read-only memory"
            )
            kept = f"PICK({number}U, &load, &store)"
            number = self._number(f"{name} needs no fuel", f"{what} without fuel")
            spent = f", PICK({number}U, false, pc > limit)"
        if name.startswith("STX"):
            number = self._number(f"{name} checks its source", f"{what} outside, its source a good address")
            base = f"PICK({number}U, {SOURCE}, *d)"
        return f"{match['case']}(!{match['way']}({kept}, {base}, word, {width}{spent}, &at))"


def shown(name: str) -> str:
    """How vectors call a load's or store's opcode: "load s8", "store u8 register"."""
    match = re.fullmatch(r"(LDXS|LDX|STX|ST)(B|H|W|DW)", name)
    assert match is not None, name
    bits = {"B": 8, "H": 16, "W": 32, "DW": 64}[match[2]]
    load, store = f"load {'s' if match[1] == 'LDXS' else 'u'}{bits}", f"store u{bits}"
    return {"STX": f"{store} register", "ST": f"{store} immediate"}.get(match[1], load)


PLANTER = Planter(engine_text("vm.c"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    source = folder / "vm.c"
    source.write_text(PLANTER.text)
    return build_changed(folder, source)


def test_every_case_and_every_access_of_the_loop_has_its_bugs():
    kinds = Counter(re.sub(r"^\w+ ", "", bug.name) for bug in PLANTER.bugs)

    assert kinds == {
        "has no case": len(Op), "checks a byte too few": 15, "looks where loads may": 8,
        "needs no fuel": 8, "checks its source": 4,
    }  # fmt: skip


def test_vectors_see_nothing_where_no_bug_is_chosen(engine: Engine):
    engine.plant(0)

    assert [vector.name for vector in RUNNABLE if not agrees(engine, vector)] == []


@pytest.mark.parametrize("bug", PLANTER.bugs, ids=lambda bug: bug.name)
def test_case_spoilt_alone_is_caught_by_its_vectors(engine: Engine, bug: Spoilt):
    engine.plant(bug.number)

    caught = [name for name in bug.seen_by if not agrees(engine, BY_NAME[name])]

    assert caught if bug.name.endswith("has no case") else caught == list(bug.seen_by)


# ------------------------------------------------ exactly one case a opcode --------------------------------


def cases(text: str) -> dict[str, int]:
    """How many cases each opcode of the contract has: -Wswitch-enum cannot see a switch on a byte."""
    return {op.name: len(re.findall(rf"^ *case HP_OP_{op.name}:", text, re.MULTILINE)) for op in Op}


def test_every_opcode_of_the_contract_has_exactly_one_case_in_the_loop():
    text = (ROOT / "device_runtime/core/vm.c").read_text()

    assert cases(text) == dict.fromkeys(cases(text), 1)
    assert len(re.findall(r"\bcase HP_OP_", text)) == len(Op)


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_an_opcode_whose_case_is_taken_out_or_doubled_is_noticed(op: Op):
    text = (ROOT / "device_runtime/core/vm.c").read_text()
    line = re.search(rf"^ *case HP_OP_{op.name}:.*\n", text, re.MULTILINE)
    assert line is not None

    assert {name: count for name, count in cases(text.replace(line[0], "")).items() if count != 1} == {
        op.name: 0
    }
    assert {
        name: count for name, count in cases(text.replace(line[0], line[0] * 2)).items() if count != 1
    } == {op.name: 2}
