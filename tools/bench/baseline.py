"""The committed counts, by compiler version, and what counts as a regression.

Takes measurements; gives a line for each count that grew by more than the tolerance, and for each target that
is missed. Counts are exact, so the tolerance is for what is worth stopping at, not for noise.
Next: command.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from patchctl.errors import InputError

from bench.engines import Measurement

BASELINE = Path(__file__).resolve().parent / "baseline.json"
TOLERANCE_PERCENT = 3
COUNTS = ("instructions", "cycles")

Counts = dict[str, dict[str, int]]


def counts_of(measurements: Iterable[Measurement]) -> Counts:
    """`engine/workload` to the counts that are kept."""
    return {f"{m.engine}/{m.workload}": {name: getattr(m, name) for name in COUNTS} for m in measurements}


def load_baseline(toolchain: str, path: Path = BASELINE) -> Counts | None:
    """The counts kept for these compilers; None if there are none, then nothing can be compared."""
    kept: dict[str, Counts] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return kept.get(toolchain)


def save_baseline(toolchain: str, measurements: Iterable[Measurement], path: Path = BASELINE) -> None:
    """Keeps these counts beside those of other compilers and of engines that were not run."""
    kept: dict[str, Counts] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[toolchain] = {**kept.get(toolchain, {}), **counts_of(measurements)}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def regressions(kept: Counts, measurements: Iterable[Measurement]) -> list[str]:
    """One line for each count above its tolerance. Raises InputError for a run without one."""
    found = []
    for row, counts in counts_of(measurements).items():
        if row not in kept:
            raise InputError(
                f"the baseline has no {row}", where=BASELINE.name, hint="python tools/bench --update"
            )
        for name, value in counts.items():
            before = kept[row][name]
            if value * 100 > before * (100 + TOLERANCE_PERCENT):
                found.append(f"{row}: {name} {before:,} -> {value:,} ({(value / before - 1) * 100:+.1f} %)")
    return found


def missed_targets(targets: Mapping[str, int], measurements: Iterable[Measurement]) -> list[str]:
    """One line for each workload on which the interpreter takes more cycles than its target."""
    return [
        f"{m.engine}/{m.workload}: {m.cycles:,} cycles, target {targets[m.workload]:,}"
        for m in measurements
        if m.engine == "interpreter" and m.cycles > targets.get(m.workload, m.cycles)
    ]
