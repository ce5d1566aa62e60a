"""Stop 12 of 12. `./tools/dev sweep VERB`: what CI runs small, here at full size and counted.

Takes a seed and sizes; runs every random program on the reference, on this machine's build of the engine and
on an emulated core (each of the four in turn); gives counts and exit code 0, or 1 where anything differs or
was not reached. Next: progress.py
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "host"), str(ROOT / "tools")) if path not in sys.path]

from sweep import cuts, invisible, micropython, nested  # noqa: E402
from sweep.progress import Progress, positive  # noqa: E402
from tests import engine, thumb_engine  # noqa: E402
from tests.differential import Tally, compare_program  # noqa: E402
from tests.fuzzing import TARGETS, build_fuzzer, clang, fuzz  # noqa: E402

_PROGRAMS, _INPUTS = 20_000, 8
_DIFFERENCES_SHOWN = 10
_TEXT_SHOWN = 4000
_EXECUTED = re.compile(r"^stat::number_of_executed_units: *(\d+)", re.MULTILINE)


def sweep_engine(seed: int, programs: int, inputs: int, cores: Sequence[str], progress: Progress) -> Tally:
    """Compares `programs` random programs from `seed` on, each with `inputs` inputs."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        native = engine.build(folder)
        boards = [thumb_engine.build(core, folder) for core in cores]
        for number in progress.each(range(seed, seed + programs)):
            compare_program([native, boards[number % len(boards)]], number, inputs, tally)
            progress.tell(f"{tally.programs} of {programs} programs")
        tally.differences += [
            f"{core}: an access that a real core refuses: pc {pc:#x}, address {address:#x}, {size} bytes"
            for core, board in zip(cores, boards, strict=True)
            for pc, address, size in board.bad_accesses
        ]
    return tally


def report(seed: int, tally: Tally) -> int:
    """Prints what a sweep went through; gives its exit code."""
    print(f"seed {seed}: {tally.programs} programs, {tally.runs} runs on each of three engines")
    print("runs by end: " + ", ".join(f"{f.name.lower()} {n}" for f, n in sorted(tally.faults.items())))
    print("instructions by opcode:")
    for op, count in sorted(tally.opcodes.items()):
        print(f"  {op.name.lower():<12} {count}")
    print(f"differences: {len(tally.differences)}")
    for text in tally.differences[:_DIFFERENCES_SHOWN]:
        print(text, file=sys.stderr)
    if tally.unreached:
        print(f"not reached: {', '.join(tally.unreached)}", file=sys.stderr)
    return int(bool(tally.differences or tally.unreached))


def sweep_fuzz(seconds: int, progress: Progress, targets: Sequence[str] = TARGETS) -> int:
    """libFuzzer for `seconds` in all, both targets alike; 0 if something ran and nothing crashed, else 1."""
    compiler = clang()
    if compiler is None:
        print("no clang with libFuzzer: ./tools/dev doctor says what to install", file=sys.stderr)
        return 1
    each_seconds = max(1, seconds // len(targets))  # libFuzzer takes 0 for no limit
    wrong = [_fuzz(compiler, target, each_seconds, progress) for target in progress.each(targets)]
    return progress.exit_code(any(wrong))


def _fuzz(compiler: str, target: str, seconds: int, progress: Progress) -> bool:
    """One target; True if anything is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build_fuzzer(compiler, folder, target)
        code, said = fuzz(program, folder, [f"-max_total_time={seconds}"], lambda: progress.ended)
        print(f"{target}:", flush=True)
        print("\n".join(line for line in said.splitlines() if line.startswith("stat::")), flush=True)
        for path in [] if code == 0 else sorted(folder.glob("crash-*")):
            print(f"input: {path.read_bytes().hex()}", file=sys.stderr)
    if code and not progress.ended:
        print(said[-_TEXT_SHOWN:], file=sys.stderr)
    executed = _EXECUTED.search(said)
    return code != 0 or executed is None or executed[1] == "0"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if the engines agree, everything was reached and nothing crashed, else 1; 1 if ended early, too."""
    parser = argparse.ArgumentParser(prog="./tools/dev sweep", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("engine", help="the three engines on random programs")
    verb.add_argument("--seed", type=int, default=0, help="the first program's number")
    verb.add_argument("--programs", type=positive, default=_PROGRAMS, help="how many")
    verb.add_argument("--inputs", type=positive, default=_INPUTS, help="inputs a program")
    verb.add_argument("--core", action="append", choices=sorted(thumb_engine.CORES), help="only this core")
    longer = verbs.add_parser("fuzz", help="libFuzzer on the structural check and the engine")
    longer.add_argument("--seconds", type=positive, default=3600, help="for both together")
    cuts.add_arguments(verbs.add_parser("cuts", help="power cuts and resets on emulated boards"))
    nested.add_arguments(verbs.add_parser("nested", help="a hit inside a hit, at every instruction of it"))
    micropython.add_arguments(verbs.add_parser("micropython", help="MicroPython's own test-suite on boards"))
    invisible.add_arguments(verbs.add_parser("pass", help="a passing patch at every instruction on boards"))
    options = parser.parse_args(arguments)
    with Progress() as progress:
        return perform(options, progress)


def perform(options: argparse.Namespace, progress: Progress) -> int:
    """The verb's exit code."""
    if options.verb == "cuts":
        return cuts.sweep_cuts(options, progress)
    if options.verb == "nested":
        return nested.sweep_nested(options, progress)
    if options.verb == "pass":
        return invisible.sweep_pass(options, progress)
    if options.verb == "micropython":
        return micropython.sweep_micropython(options, progress)
    if options.verb == "fuzz":
        return sweep_fuzz(options.seconds, progress)
    cores = options.core or sorted(thumb_engine.CORES)
    tally = sweep_engine(options.seed, options.programs, options.inputs, cores, progress)
    return progress.exit_code(bool(report(options.seed, tally)))


if __name__ == "__main__":
    sys.exit(main())
