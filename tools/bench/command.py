"""The command line: run, print, compare with the baseline, or show where the interpreter's cycles go.

Takes arguments; gives text on standard output and an exit code: 1 for a regression, else those of
patchctl.errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from patchctl.errors import InputError, PatchctlError

from bench.baseline import BASELINE, load_baseline, missed_targets, regressions, save_baseline
from bench.build import toolchain
from bench.engines import ENGINES, Measurement, Run, require_equal, run_engine
from bench.published import TARGET_CYCLES
from bench.report import as_json, as_text
from bench.workloads import WORKLOADS, Workload

CHECKED = ("native", "interpreter")  # what a check runs: wasm3 is not ours, and its source must be fetched
PROFILE_LINES = 60


def runs(workloads: Iterable[Workload], engines: Iterable[str], folder: Path) -> Iterator[Run]:
    """Every engine on every workload, native first. Raises InternalError where results differ."""
    others = [name for name in engines if name != "native"]
    for workload in workloads:
        native = run_engine("native", workload, folder)
        yield native
        for name in others:
            run = run_engine(name, workload, folder)
            require_equal(run, native)
            yield run


def measure(workloads: Iterable[Workload], engines: Iterable[str]) -> list[Measurement]:
    """The measurements of runs(), built in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return [run.measurement for run in runs(workloads, engines, Path(folder))]


def profile(workload: Workload) -> str:
    """Where the interpreter's modelled cycles go: by function, and the costliest instructions by address."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        core = run_engine("interpreter", workload, Path(folder)).core
    executed = core.profile()
    functions: Counter[str] = Counter()
    for address, (_, cycles) in executed.items():
        functions[core.function_at(address)] += cycles
    lines = [f"{cycles:>10,}  {name}" for name, cycles in functions.most_common()]
    costliest = sorted(executed, key=lambda address: -executed[address][1])[:PROFILE_LINES]
    for address in sorted(costliest):
        ran, cycles = executed[address]
        found = core.listing[address]
        lines.append(f"{address:#8x} {ran:>9,} x {cycles:>9,} cycles  {found.mnemonic} {found.operands}")
    return "\n".join(lines)


def check(
    measurements: list[Measurement], baseline: Path = BASELINE, targets: Mapping[str, int] = TARGET_CYCLES
) -> int:
    """1 and a line for each regression and each missed target, else 0.

    Raises InputError if these compilers have no baseline.
    """
    compilers = toolchain()
    kept = load_baseline(compilers, baseline)
    if kept is None:
        raise InputError(
            f"no baseline for {compilers}",
            where=baseline.name,
            hint="python tools/bench --update on a known commit",
        )
    found = regressions(kept, measurements) + missed_targets(targets, measurements)
    print(
        "\n".join(found) if found else f"no count grew by more than allowed, no target missed ({compilers})"
    )
    return 1 if found else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    names = [work.name for work in WORKLOADS]
    parser = argparse.ArgumentParser(prog="bench", description="instructions and modelled cycles of one run")
    parser.add_argument(
        "--engine", action="append", choices=list(ENGINES), help="only this one, beside native"
    )
    parser.add_argument("--workload", action="append", choices=names, help="only this one")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument(
        "--check", action="store_true", help="compare with the baseline and the targets; fail on a regression"
    )
    parser.add_argument("--update", action="store_true", help="make these counts the baseline")
    parser.add_argument("--profile", choices=names, help="where the interpreter's cycles go on one workload")
    return parser.parse_args(arguments)


def perform(options: argparse.Namespace) -> int:
    by_name = {work.name: work for work in WORKLOADS}
    if options.profile:
        print(profile(by_name[options.profile]))
        return 0
    default = CHECKED if options.check or options.update else tuple(ENGINES)
    measurements = measure([by_name[name] for name in options.workload or by_name], options.engine or default)
    if options.update:
        save_baseline(toolchain(), measurements)
    if options.check:
        return check(measurements)
    print((as_json if options.json else as_text)(toolchain(), measurements))
    return 0


def main(arguments: list[str] | None = None) -> int:
    try:
        return perform(parse(arguments))
    except PatchctlError as error:
        print(f"bench: {error.line()}", file=sys.stderr)
        return error.exit_code
