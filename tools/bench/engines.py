"""The three ways to run a workload: native Thumb code, the runtime's interpreter, wasm3.

Takes a workload and a build folder; gives what it computed and what that cost. Next: command.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deps import load_table, named, provide
from patchctl.errors import InternalError

from bench import build
from bench.counting import Core
from bench.workloads import SOURCES, Workload

FUEL = 10_000_000
VALUE_BYTES = 8
WASM3_OPTIONS = (
    *("-O2", "-fomit-frame-pointer", "-fno-stack-protector", "-fdata-sections"),
    *(
        "-Dd_m3FixedHeap=0x40000",
        "-Dd_m3HasFloat=0",
        "-Dd_m3VerboseErrorMessages=0",
        "-Dd_m3CodePageAlignSize=1024",
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run computed: the value, and the context afterwards."""

    value: int
    context: bytes


@dataclass(frozen=True, slots=True)
class Measurement:
    """One engine on one workload.

    `setup_cycles` is what load and check cost once; `program_*` is the interpreted code.
    """

    engine: str
    workload: str
    instructions: int
    cycles: int
    stack_bytes: int
    text_bytes: int
    ram_bytes: int
    program_bytes: int
    program_instructions: int
    setup_cycles: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its outcome, its measurement, and the core for whoever wants a profile."""

    outcome: Outcome
    measurement: Measurement
    core: Core


def sizes(workload: Workload, **others: int) -> tuple[str, ...]:
    """Compiler options that tell the C side how large things are."""
    every = {"CONTEXT_BYTES": len(workload.context), **others}
    return tuple(f"-D{name}={value}U" for name, value in every.items())


def load_context(core: Core, workload: Workload) -> int:
    address = core.address("context")
    core.write(address, workload.context)
    return address


def outcome(core: Core, workload: Workload, value: int) -> Outcome:
    return Outcome(value, core.read(core.address("context"), len(workload.context)))


def shared_object(source: Path, folder: Path, options: tuple[str, ...]) -> Path:
    """The object of a file that is the same for every workload, built once beside their folders."""
    kept = folder.parent / f"{source.stem}.o"
    return kept if kept.exists() else build.arm_object(source, folder.parent, options)


def require_zero(value: int, what: str, workload: Workload) -> None:
    if value & 0xFFFFFFFF:
        raise InternalError(f"{what} gave {value & 0xFFFFFFFF}, not 0", where=workload.name)


def run_native(workload: Workload, folder: Path) -> Run:
    """workload() as Thumb code."""
    work = build.arm_object(workload.source, folder, build.NATIVE)
    frame = build.arm_object(SOURCES / "run_native.c", folder, (*build.NATIVE, *sizes(workload)))
    core = Core(build.link([work, frame], folder, entries=["workload", "context"]))
    value, cost = core.call("workload", [load_context(core, workload)])
    measured = Measurement(
        engine="native",
        workload=workload.name,
        instructions=cost.instructions,
        cycles=cost.cycles,
        stack_bytes=cost.stack_bytes,
        text_bytes=build.text_bytes(work),
        ram_bytes=0,
        program_bytes=0,
        program_instructions=0,
        setup_cycles=0,
    )
    return Run(outcome(core, workload, value), measured, core)


def run_interpreter(workload: Workload, folder: Path) -> Run:
    """core/vm.c with all its checks; the program lies in flash."""
    code = build.ebpf_code(workload, folder)
    stack_bytes = build.ebpf_stack_bytes(code)
    options = (*build.CORE, *sizes(workload, STACK_BYTES=stack_bytes, FUEL=FUEL))
    parts = [shared_object(path, folder, flags) for path, flags in build.CORE_FILES.items()]
    frame = build.arm_object(SOURCES / "run_core.c", folder, options)
    objects = [*parts, frame, build.program_object(code, folder)]
    core = Core(build.link(objects, folder, entries=["setup", "hp_vm_run", "result", "fuel_left"]))
    status, setup = core.call("setup")
    require_zero(status, "the structural check", workload)
    load_context(core, workload)
    fault, cost = core.call("hp_vm_run", [core.address(n) for n in ("run_state", "program", "space")])
    require_zero(fault, "hp_vm_run", workload)
    value = int.from_bytes(core.read(core.word(core.address("result")), VALUE_BYTES), "little")
    measured = Measurement(
        engine="interpreter",
        workload=workload.name,
        instructions=cost.instructions,
        cycles=cost.cycles,
        stack_bytes=cost.stack_bytes,
        text_bytes=build.text_bytes(parts[0]),
        ram_bytes=core.symbols["run_state"].bytes + stack_bytes,
        program_bytes=len(code),
        program_instructions=FUEL - core.word(core.word(core.address("fuel_left"))),
        setup_cycles=setup.cycles,
    )
    return Run(outcome(core, workload, value), measured, core)


def run_wasm3(workload: Workload, folder: Path) -> Run:
    """wasm3 with its bounds checks; module in flash, memory WebAssembly's smallest: one page."""
    source = provide(named(load_table(), "wasm3")) / "wasm3"
    module = build.wasm_module(workload, folder)
    options = (*WASM3_OPTIONS, f"-I{source}")
    parts = [shared_object(path, folder, options) for path in sorted(source.glob("*.c"))]
    frame = build.arm_object(SOURCES / "run_wasm3.c", folder, (*options, *sizes(workload)))
    image = build.link(
        [*parts, frame, build.program_object(module, folder)], folder, entries=["setup", "run"]
    )
    core = Core(image)
    step, setup = core.call("setup")
    require_zero(step, "setup of wasm3", workload)
    load_context(core, workload)
    step, cost = core.call("run")
    require_zero(step, "the run in wasm3", workload)
    value = int.from_bytes(core.read(core.address("result"), VALUE_BYTES), "little")
    measured = Measurement(
        engine="wasm3",
        workload=workload.name,
        instructions=cost.instructions,
        cycles=cost.cycles,
        stack_bytes=cost.stack_bytes,
        text_bytes=build.text_bytes(image) - len(module),
        ram_bytes=core.word(core.address("fixedHeapPtr")) - core.address("fixedHeap"),
        program_bytes=len(module),
        program_instructions=0,
        setup_cycles=setup.cycles,
    )
    return Run(outcome(core, workload, value), measured, core)


ENGINES: dict[str, Callable[[Workload, Path], Run]] = {
    "native": run_native,
    "interpreter": run_interpreter,
    "wasm3": run_wasm3,
}


def run_engine(engine: str, workload: Workload, folder: Path) -> Run:
    """One engine on one workload, built in a folder of its own below `folder`."""
    place = folder / engine / workload.name
    place.mkdir(parents=True, exist_ok=True)
    return ENGINES[engine](workload, place)


def require_equal(run: Run, native: Run) -> None:
    """Raises InternalError where an engine computed something else than native code did."""
    if run.outcome != native.outcome:
        what = f"{run.outcome.value:#x}, native {native.outcome.value:#x}"
        if run.outcome.value == native.outcome.value:
            what = "the same value but another context"
        raise InternalError(f"computed {what}", where=f"{run.measurement.engine}, {run.measurement.workload}")
