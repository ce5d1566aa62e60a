"""The verifier against its vectors: one TOML file a case, every refusal beside the case that is accepted."""

import tomllib
from pathlib import Path

import pytest
from patchctl.assembly import assemble
from patchctl.binding import BoundProgram
from patchctl.btf import SourceLine
from patchctl.contract import Verdict
from patchctl.description import REGISTERS
from patchctl.isa import encode
from patchctl.verifier import Limits, verify

VECTORS = Path(__file__).parents[1] / "vectors" / "verify"
CASES = {path.stem: tomllib.loads(path.read_text()) for path in sorted(VECTORS.glob("*.toml"))}
ACCEPTED = [name for name in CASES if name.startswith("accept_")]
REJECTED = [name for name in CASES if name.startswith("reject_")]


def bound(code, lines=None, data=b""):
    return BoundProgram("case", "case.c", encode(assemble(code)), data, lines or {})


def limits_of(case):
    given = dict(case.get("limits", {}))
    verdicts = given.pop("verdicts", ["pass", "return"])
    writable = given.pop("writable", [])
    return Limits(
        verdicts=frozenset(Verdict[name.upper()] for name in verdicts),
        writable_registers=sum(1 << REGISTERS.index(name) for name in writable),
        redirect_count=given.pop("redirects", 0),
        **given,
    )


def verdict_on(case):
    return verify(bound(case["code"]), limits_of(case))


@pytest.mark.parametrize("name", ACCEPTED)
def test_program_is_accepted_with_its_exact_worst_case(name):
    case = CASES[name]

    report = verdict_on(case)

    assert [finding.says for finding in report.findings] == []
    proves = case["proves"]
    assert report.program.metered == proves.get("metered", False)
    assert report.program.worst_case_steps == proves.get("steps")
    assert report.program.stack_bytes == proves["stack_bytes"]
    assert report.program.frame_bytes == proves.get("frame_bytes", 0)


@pytest.mark.parametrize("name", REJECTED)
def test_program_is_rejected_at_the_place_and_for_the_reason(name):
    case = CASES[name]

    report = verdict_on(case)

    assert report.program is None
    first = report.findings[0]
    assert (first.at, first.kind) == (case["finding"]["at"], case["finding"]["kind"])
    assert case["finding"]["says"] in first.says


@pytest.mark.parametrize("name", REJECTED)
def test_every_refusal_has_a_twin_that_is_accepted(name):
    assert CASES[name]["twin"] in ACCEPTED


def test_every_finding_of_a_program_is_reported():
    report = verify(
        bound("r0 = *(u32 *)(r1 + 68)\n*(u8 *)(r10 + 0) = 0\nr0 = 9\nexit"),
        Limits(frozenset({Verdict.PASS})),
    )

    assert [(finding.at, finding.kind) for finding in report.findings] == [
        (0, "memory"),
        (1, "memory"),
        (3, "verdict"),
    ]


def test_finding_prints_the_line_what_is_known_and_what_to_do():
    line = SourceLine("patch.c", 12, 5, "    buffer[index] = 1;")
    code = "r3 = *(u32 *)(r1 + 0)\nr2 = r10\nr2 += -16\nr2 += r3\n*(u8 *)(r2 + 0) = 1\nr0 = 0\nexit"

    report = verify(bound(code, {4 * 8: line}), Limits(frozenset({Verdict.PASS})))

    assert report.findings[0].render() == (
        "patch.c:12:5: error[memory]: this write of 1 bytes can leave the stack\n"
        "   12 |     buffer[index] = 1;\n"
        "            ^\n"
        "  known:  it is at offsets 496..4294967791 of 512 bytes\n"
        "  needed: an offset of 0..511\n"
        "  help:   test the index before this line, or cut it with &; a test behind % is left out by clang\n"
        "  at:     instruction 4: *(u8 *)(r2 + 0x0) = 0x1"
    )


def test_finding_without_line_information_names_the_instruction():
    report = verify(bound("r0 = 9\nexit"), Limits(frozenset({Verdict.PASS})))

    assert report.findings[0].where == "instruction 1"


def test_program_that_calls_a_helper_says_which():
    report = verdict_on(CASES["accept_firmware_read_into_the_stack"])

    assert [helper.name for helper in report.program.helpers] == ["FW_READ"]
