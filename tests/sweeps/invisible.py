"""Stop 11 of 12. A PASS at any instruction, in any context, changes nothing that the firmware can see.

The bare image gets a signed patch whose program only passes; then the runtime's own hp_sites_arm, called on
the emulated core, moves its trigger from one instruction of a set of functions to the next. Each run is
compared with the one without a site, where the instruction is about to run and where the function returned.
Next: invisible_code.py
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from patchctl.errors import PatchctlError

from tests.sweeps.invisible_bench import Bench, Case, FixedBench, Hit, Plain
from tests.sweeps.invisible_boards import M3, Context, Patched, patched
from tests.sweeps.invisible_code import EXCLUSIVE, IN_A_BLOCK, SOURCES, Build, Site, builds

BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475", M3, "nucleo_g0b1re")
ATTEMPTS = 256  # cases tried until one reaches an instruction
VARIANTS = ((False, False), (True, False), (False, True), (True, True))  # sp % 8 = 4, FP registers in use

REFUSED = frozenset({  # every reason in the set of functions, on a core with comparators
    "b", "b<cond>", "b.w", "bl or blx", "blx", "it (conditional block)", IN_A_BLOCK, "ldr (literal)",
    "a literal load", "tbb or tbh", "an exclusive store", EXCLUSIVE,
})  # fmt: skip
REFUSED_WITH_FP = frozenset({"a literal load of a coprocessor"})


@dataclass
class Tally:
    """What was armed, what could not be, and what was seen."""

    functions: set[str] = field(default_factory=set)
    sites: int = 0
    runs: Counter[str] = field(default_factory=Counter)  # by context
    hits: int = 0
    escalated: int = 0
    injected: int = 0  # runs with an interrupt on the way
    nested: int = 0  # of these, in which it hit the same site
    odd: int = 0
    floats: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unreached: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Both together."""
        self.functions |= other.functions
        for name in ("sites", "hits", "escalated", "injected", "nested", "odd", "floats"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.runs += other.runs
        self.refused += other.refused
        self.unreached += other.unreached
        self.differences += other.differences


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of everything runs: `every` Nth site in each context, from `seed` on."""

    every: int = 1
    seed: int = 0
    runs: int = 1
    injections: bool = True


def make_bench(target: Patched, build: Build, source: str, **more: object) -> Bench:
    """The bench that the board's kind of site needs."""
    kind = FixedBench if target.fixed else Bench
    return kind(target, build, source, **more)  # type: ignore[arg-type]  # flash_edits


def sweep(
    name: str,
    choice: Choice,
    *,
    only: Iterable[Build] | None = None,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Every function in every build (or `only` these) on board `name`."""
    target, tally = patched(name), Tally()
    for build in only or builds(target.core):
        for source in SOURCES:
            bench = make_bench(target, build, source)
            for function in bench.code.functions:
                tally.add(sweep_function(bench, function, choice))
                told(tally)
    return tally


def sites_of(bench: Bench, function: str) -> tuple[list[int], Counter[str]]:
    """Where it can be armed, and how many instructions cannot, by reason."""
    if isinstance(bench, FixedBench):
        return [bench.site], Counter()
    sites: tuple[Site, ...] = bench.code.functions[function]
    able = [site.address for site in sites if not site.refusal]
    return able, Counter(site.refusal for site in sites if site.refusal)


def sweep_function(bench: Bench, function: str, choice: Choice) -> Tally:
    """One function's sites, each in each chosen context."""
    able, refused = sites_of(bench, function)
    tally = Tally({function}, len(able), refused=refused)
    for index, site in enumerate(able):
        for place, (context, facts) in enumerate(bench.target.contexts().items()):
            if (index + place + choice.seed) % choice.every:
                continue
            for run in range(choice.runs):
                seed = (choice.seed + run) * ATTEMPTS
                case = reaching(bench, function, site, context, seed)
                if case is None:
                    tally.unreached.append(f"{bench.build}, {function}, {site:#x}")
                    continue
                compare(bench, function, site, case, facts, choice, tally)
    return tally


def reaching(bench: Bench, function: str, site: int, context: str, seed: int) -> Case | None:
    """The first case from `seed` on, of a variant by chance, whose unpatched run comes to `site`."""
    odd, floats = random.Random(f"{function} {site} {context} {seed}").choice(VARIANTS)
    for number in range(seed, seed + ATTEMPTS):
        case = Case(context, odd, floats and bench.target.has_fp, number)
        if site in bench.plain(function, case).arrivals:
            return case
    return None


def compare(
    bench: Bench, function: str, site: int, case: Case, facts: Context, choice: Choice, tally: Tally
) -> None:
    """One run with the site, and one with an interrupt on the way where one may arrive."""
    plain = bench.plain(function, case)
    where = f"{bench.build}, {function}, {site:#x}, {case}"
    hit = attempt(bench, function, site, case, None, tally)
    if hit is None:
        return
    tally.differences += [f"{where}: {text}" for text in judge(plain, site, hit)]
    if hit.escalated != (hit.hits if facts.escalates else 0):
        tally.differences.append(f"{where}: {hit.escalated} of {hit.hits} hits by way of HardFault")
    _count(tally, case, hit)
    if choice.injections and facts.injected:
        chance = random.Random(where)
        injection = (chance.randrange(hit.way + 2), chance.choice(facts.injected))
        hit = attempt(bench, function, site, case, injection, tally)
        if hit is not None:
            _judge_injected(plain, site, case, hit, f"{where}, interrupt {injection}", tally)


def attempt(
    bench: Bench, function: str, site: int, case: Case, injection: tuple[int, int] | None, tally: Tally
) -> Hit | None:
    """The run; what the emulated board refuses to do is a difference."""
    try:
        return bench.run(function, site, case, injection)
    except PatchctlError as problem:
        tally.differences.append(f"{bench.build}, {function}, {site:#x}, {case}, {injection}: {problem}")
        return None


def every_moment(name: str, step: int = 1, first: int = 0) -> Tally:
    """An interrupt behind each `step`th instruction from a trap to the displaced one, on board `name`."""
    target = patched(name)
    bench = make_bench(target, builds(target.core)[0], "assembly")
    function = next(iter(bench.code.functions))
    site = sites_of(bench, function)[0][-1]
    case = reaching(bench, function, site, "thread", 0)
    assert case is not None
    plain, tally = bench.plain(function, case), Tally({function}, 1)
    for moment in range(first, bench.run(function, site, case).way + 2, step):
        where = f"{function}, {site:#x}, {case}, interrupt behind {moment}"
        hit = attempt(bench, function, site, case, (moment, 0x40), tally)
        if hit is not None:
            _judge_injected(plain, site, case, hit, where, tally)
    return tally


def _judge_injected(plain: Plain, site: int, case: Case, hit: Hit, where: str, tally: Tally) -> None:
    found = judge(plain, site, hit) + ["the interrupt did not arrive"] * (hit.injected != 1)
    tally.differences += [f"{where}: {text}" for text in found]
    tally.injected += 1
    tally.nested += hit.hits > 1
    _count(tally, case, hit)


def _count(tally: Tally, case: Case, hit: Hit) -> None:
    tally.runs[case.context] += 1
    tally.hits += hit.hits
    tally.escalated += hit.escalated
    tally.odd += case.odd
    tally.floats += case.floats


def judge(plain: Plain, site: int, hit: Hit) -> list[str]:
    """What is not as without a site."""
    found = [f"{name} at the displaced instruction" for name in plain.arrivals[site].differences(hit.arrival)]
    found += [f"{name} at the end" for name in plain.end.differences(hit.end)]
    found += ["no hit"] * (hit.hits == 0)
    return found + [f"{hit.unserved} hits that were not served"] * (hit.unserved != 0)
