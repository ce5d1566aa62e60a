"""The benchmark counts what it says, compares what engines compute, and stops a regression."""

import json
import struct
import zlib
from dataclasses import replace

import pytest

pytest.importorskip("unicorn", reason="the counting core needs unicorn: pip install 'patchctl[sim]'")
pytest.importorskip("ziglang", reason="eBPF code needs a compiler: pip install 'patchctl[cc]'")

from bench import build, engines
from bench.baseline import BASELINE, load_baseline, regressions, save_baseline
from bench.command import CHECKED, check, main, measure
from bench.engines import Measurement, require_equal, run_engine
from bench.published import PUBLISHED, PUBLISHED_INSTRUCTIONS, TARGET_CYCLES
from bench.report import as_json, as_text
from bench.workloads import WORKLOADS, Workload
from deps import load_table, named
from patchctl.errors import InputError, InternalError

WASM3 = named(load_table(), "wasm3")
BY_NAME = {work.name: work for work in WORKLOADS}
ROW = Measurement(
    engine="interpreter",
    workload="filter",
    instructions=1000,
    cycles=2000,
    stack_bytes=40,
    text_bytes=5000,
    ram_bytes=300,
    program_bytes=104,
    program_instructions=13,
    setup_cycles=900,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


def words(context: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(context) // 4}i", context))


def fletcher32(data: bytes) -> int:
    low = high = 0xFFFF
    for i in range(0, len(data), 2):
        low = (low + int.from_bytes(data[i : i + 2], "little")) % 0xFFFF
        high = (high + low) % 0xFFFF
    return high << 16 | low


def bubbles(numbers: list[int]) -> int:
    return sum(a > b for i, a in enumerate(numbers) for b in numbers[i + 1 :])


def math64(value: int, divisor: int) -> int:
    for i in range(1000):
        value = value * 6364136223846793005 % (1 << 64)
        value = (value ^ value >> 29) + i
        value = value % (1 << 64)
        value ^= value // divisor
    return value


EXPECTED = {
    "fletcher32": lambda c: (fletcher32(c[4:364]), c),
    "filter": lambda c: (3, c),
    "sort": lambda c: (bubbles(words(c)), struct.pack("<64i", *sorted(words(c)))),
    "crc32": lambda c: (zlib.crc32(c), c),
    "math64": lambda c: (math64(int.from_bytes(c[:8], "little"), int.from_bytes(c[8:], "little")), c),
    "memcpy": lambda c: (c[255], c[:256] * 2),
}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_native_code_computes_what_python_computes(name, folder):
    run = run_engine("native", BY_NAME[name], folder)

    assert (run.outcome.value, run.outcome.context) == EXPECTED[name](BY_NAME[name].context)


def test_every_workload_has_an_expectation_and_a_published_figure():
    assert set(EXPECTED) == set(BY_NAME) == set(PUBLISHED_INSTRUCTIONS)
    assert set(TARGET_CYCLES) <= set(BY_NAME)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_the_interpreter_computes_what_native_code_computes(name, folder):
    native = run_engine("native", BY_NAME[name], folder)
    ours = run_engine("interpreter", BY_NAME[name], folder)

    require_equal(ours, native)

    assert ours.measurement.program_instructions > 0
    assert ours.measurement.cycles > ours.measurement.instructions > ours.measurement.program_instructions


@pytest.mark.parametrize("name", list(EXPECTED))
def test_wasm3_computes_what_native_code_computes(name, folder):
    if not WASM3.folder.exists():
        pytest.skip("wasm3's source is not in the cache: python tools/bench fetches it")
    native = run_engine("native", BY_NAME[name], folder)
    other = run_engine("wasm3", BY_NAME[name], folder)

    require_equal(other, native)

    assert other.measurement.ram_bytes > 65536


def test_a_build_fetches_every_source_but_the_one_of_the_benchmark():
    assert [source.name for source in load_table() if source.optional] == ["wasm3"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("value", 4, "computed 0x4, native 0x3"), ("context", bytes(16), "another context")],
)
def test_a_different_result_is_an_error(field, value, words, folder):
    native = run_engine("native", BY_NAME["filter"], folder)
    wrong = replace(native, outcome=replace(native.outcome, **{field: value}))

    with pytest.raises(InternalError, match=words):
        require_equal(wrong, native)


def assembled(text: str, folder):
    """A core with one function `f`."""
    source = folder / "f.S"
    source.write_text(
        f".syntax unified\n.thumb\n.section .text\n.global f\n.type f, %function\n.thumb_func\nf:\n{text}\n"
    )
    return engines.Core(build.link([build.arm_object(source, folder, ())], folder, entries=["f"]))


@pytest.mark.parametrize(
    ("text", "instructions", "cycles", "stack_bytes"),
    [
        ("bx lr", 1, 1 + 2, 0),
        ("movs r0, #5\n1: subs r0, #1\nbne 1b\nbx lr", 1 + 5 * 2 + 1, 1 + 5 * 2 + 4 * 2 + 1 + 2, 0),
        ("push {r4, lr}\nmovs r0, #0\npop {r4, pc}", 3, 3 + 1 + 3 + 2, 8),
        # A skipped instruction of an IT block counts and costs its cycle.
        ("cmp r0, r0\nite eq\nmoveq r0, #1\nmovne r0, #2\nbx lr", 5, 5 + 2, 0),
    ],
)
def test_a_call_counts_instructions_cycles_and_stack(text, instructions, cycles, stack_bytes, tmp_path):
    _, cost = assembled(text, tmp_path).call("f")

    assert (cost.instructions, cost.cycles, cost.stack_bytes) == (instructions, cycles, stack_bytes)


def test_a_call_that_faults_is_an_error_with_its_place(tmp_path):
    with pytest.raises(InternalError, match="f failed"):
        assembled("movs r0, #0\nmvns r0, r0\nldr r0, [r0]\nbx lr", tmp_path).call("f")


def test_a_program_that_needs_a_relocation_is_refused(tmp_path):
    source = tmp_path / "global.c"
    source.write_text("unsigned long counter; unsigned long workload(void) { return ++counter; }\n")

    class Elsewhere(Workload):
        source = tmp_path / "global.c"

    with pytest.raises(InputError, match="relocations"):
        build.ebpf_code(Elsewhere("global", "global", b""), tmp_path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("7b1af0ff000000009500000000000000", 16),  # *(u64 *)(r10 - 16) = r1
        ("61a1fcff000000009500000000000000", 8),  # w1 = *(u32 *)(r10 - 4)
        ("b7000000000000009500000000000000", 0),
    ],
)
def test_the_stack_a_program_needs_is_what_it_reaches_below_r10(code, expected):
    assert build.ebpf_stack_bytes(bytes.fromhex(code)) == expected


def test_a_stack_address_that_leaves_r10_is_refused():
    with pytest.raises(InputError, match="leaves r10"):
        build.ebpf_stack_bytes(bytes.fromhex("bfa10000000000009500000000000000"))


@pytest.mark.parametrize(
    ("cycles", "found"), [(2000, 0), (2060, 0), (2061, 1), (1000, 0), (4000, 1)], ids=str
)
def test_only_more_than_three_percent_is_a_regression(cycles, found, tmp_path):
    path = tmp_path / "baseline.json"
    save_baseline("a compiler", [ROW], path)

    assert len(regressions(load_baseline("a compiler", path), [replace(ROW, cycles=cycles)])) == found


def test_a_baseline_is_kept_for_each_compiler_and_engine(tmp_path):
    path = tmp_path / "baseline.json"
    save_baseline("one", [ROW], path)
    save_baseline("two", [replace(ROW, cycles=1)], path)
    save_baseline("one", [replace(ROW, engine="native")], path)

    assert set(load_baseline("one", path)) == {"interpreter/filter", "native/filter"}
    assert load_baseline("two", path)["interpreter/filter"]["cycles"] == 1
    assert load_baseline("three", path) is None


def test_a_run_without_a_kept_count_is_refused(tmp_path):
    with pytest.raises(InputError, match="no interpreter/filter"):
        regressions({}, [ROW])


def test_the_table_shows_targets_and_others_figures_as_not_run_here():
    text = as_text("a compiler", [replace(ROW, engine="native", cycles=50), ROW])

    assert "390 missed by 413 %" in text
    assert "390 met" in as_text("a compiler", [replace(ROW, cycles=390)])
    assert "838" in text and "513" in text
    assert text.count("published measurement, not run here") == len(PUBLISHED)
    assert "not time on silicon" in text


def test_json_holds_every_measurement():
    assert '"program_instructions": 13' in as_json("a compiler", [ROW])


@pytest.fixture(scope="module")
def toolchain():
    found = build.toolchain()
    if load_baseline(found) is None:
        pytest.skip(f"the baseline knows no {found}: python tools/bench --update on a known commit")
    return found


@pytest.fixture(scope="module")
def filter_counts(toolchain):
    return measure([BY_NAME["filter"]], CHECKED)


def test_no_count_of_any_workload_has_grown_and_no_target_is_missed(toolchain, capsys):
    kept = load_baseline(toolchain)
    assert set(kept) == {f"{engine}/{name}" for engine in CHECKED for name in BY_NAME}
    assert all(kept[f"interpreter/{name}"]["cycles"] <= most for name, most in TARGET_CYCLES.items())

    code = main(["--check"])

    said = capsys.readouterr().out
    assert (code, said) == (0, f"no count grew by more than allowed, no target missed ({toolchain})\n")


@pytest.mark.parametrize("row", ["interpreter/filter", "native/filter"])
@pytest.mark.parametrize("count", ["instructions", "cycles"])
def test_a_count_above_the_baselines_is_refused(row, count, filter_counts, toolchain, tmp_path, capsys):
    kept, copy = json.loads(BASELINE.read_text()), tmp_path / "baseline.json"
    kept[toolchain][row][count] = kept[toolchain][row][count] * 9 // 10
    copy.write_text(json.dumps(kept))

    assert (check(filter_counts), check(filter_counts, copy)) == (0, 1)
    assert f"{row}: {count} " in capsys.readouterr().out


def test_a_count_above_its_target_is_refused_within_the_baselines_tolerance_too(filter_counts, capsys):
    cycles = next(m.cycles for m in filter_counts if m.engine == "interpreter")
    most, less = {"filter": cycles}, {"filter": cycles - 1}

    assert (check(filter_counts, targets=most), check(filter_counts, targets=less)) == (0, 1)
    assert f"interpreter/filter: {cycles} cycles, target {cycles - 1}" in capsys.readouterr().out
