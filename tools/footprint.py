"""Print flash and RAM of the device runtime for each core type, against budgets.

Takes device_runtime/core and Monocypher; compiles each file as it ships (-Os, vm.c with -O2 but on the M0+)
and reads the objects back; gives one table. Counts repeat for a compiler version, which is printed. Exit 1 if
a budget is exceeded; a target that is missed is only said.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import deps
from call_graph import CallGraph
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "device_runtime"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33")
ENGINE = ("vm", "check", "helpers")
TRUST_PATH = (
    *("admit", "blocks", "cbor", "check", "crypto", "helpers", "monocypher"),
    *("payload", "sha256", "sha512", "store", "suit", "vm"),
)
PROBE = """#include "hotpatch/hotpatch.h"
const char run_record[sizeof(hp_vm_t)]; const char runtime[sizeof(hp_runtime_t)];
"""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of one core type."""

    core: str
    text_bytes: dict[str, int]
    stack_bytes: int
    run_record_bytes: int
    runtime_bytes: int

    @property
    def engine_bytes(self) -> int:
        """Interpreter, structural check and helpers."""
        return sum(self.text_bytes[name] for name in ENGINE)

    @property
    def trust_path_bytes(self) -> int:
        """What decides whether something may run: signature, container, structure, store, and the engine."""
        return sum(self.text_bytes[name] for name in TRUST_PATH)


@dataclass(frozen=True, slots=True)
class Budget:
    """A row of the table with the most it may take on some cores; a target is not enforced."""

    name: str
    value: Callable[[Footprint], int]
    most: int
    cores: tuple[str, ...] = CORES
    enforced: bool = True

    def over(self, footprints: Sequence[Footprint]) -> list[str]:
        """One line for each of its cores that takes more."""
        return [
            f"{self.name} takes {self.value(f)} bytes on {f.core}, "
            f"{'budget' if self.enforced else 'target'} {self.most}"
            for f in footprints
            if f.core in self.cores and self.value(f) > self.most
        ]

    def cell(self, footprints: Sequence[Footprint]) -> str:
        """What the table says of it."""
        where = "" if self.cores == CORES else f" on {', '.join(self.cores)}"
        return f"{self.most}{where}, {'missed' if self.over(footprints) else 'met'}"


BUDGETS = (
    Budget("engine and check", lambda f: f.engine_bytes, 7 * 1024, ("cortex-m4",)),
    Budget("whole trust path", lambda f: f.trust_path_bytes, 24 * 1024, ("cortex-m4",), enforced=False),
    Budget("C stack of a run", lambda f: f.stack_bytes, 256),
    Budget("RAM: one run's record", lambda f: f.run_record_bytes, 300),
)


def optimization(name: str, core: str) -> list[str]:
    """The compiler's options for core/`name`.c as it ships: the Makefile's list for size, or vm.c's own."""
    if name == "vm":
        return ["-Os"] if core == "cortex-m0plus" else ["-O2"]
    for line in (RUNTIME / "Makefile").read_text().splitlines():
        if line.startswith("SMALLER :="):
            return ["-Os", *line.removeprefix("SMALLER :=").split()]
    raise SystemExit("device_runtime/Makefile has no SMALLER")


def compile_object(source: Path, core: str, folder: Path) -> Path:
    """The object of one source, by the options of device_runtime/Makefile; its call graph lies beside it."""
    target = folder / f"{core}-{source.stem}.o"
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-std=c11", "-ffreestanding"]
    command += ["-mgeneral-regs-only", "-ffunction-sections", "-fdata-sections", "-fcallgraph-info=su"]
    command += optimization(source.stem, core)
    includes = [f"-I{RUNTIME / 'include'}", f"-I{RUNTIME}", f"-I{monocypher()}"]
    subprocess.run([*command, *includes, "-c", str(source), "-o", str(target)], check=True)
    return target


def monocypher() -> Path:
    """Folder of Monocypher's two files in the cache."""
    return deps.named(deps.load_table(), "monocypher").folder


def text_bytes(path: Path, keep: str = "") -> int:
    """Bytes of code and constants of an object; with `keep` only of sections whose name holds that word."""
    with path.open("rb") as stream:
        sections = [s for s in ELFFile(stream).iter_sections() if s["sh_flags"] & 2 and not s["sh_flags"] & 1]
        return sum(s["sh_size"] for s in sections if keep in s.name and s["sh_type"] == "SHT_PROGBITS")


def object_symbols(path: Path) -> dict[str, int]:
    with path.open("rb") as stream:
        tables = [s for s in ELFFile(stream).iter_sections() if isinstance(s, SymbolTableSection)]
        return {symbol.name: symbol["st_size"] for table in tables for symbol in table.iter_symbols()}


def linked_signature_bytes(core: str, folder: Path) -> int:
    """What remains of Monocypher when only the signature check is linked."""
    library = compile_object(monocypher() / "monocypher.c", core, folder)
    joined = folder / f"{core}-signature.elf"
    roots = ["-Wl,-u,crypto_eddsa_check_equation", "-Wl,-u,crypto_eddsa_reduce", "-Wl,--entry=0"]
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-nostdlib", "-Wl,--gc-sections", *roots]
    subprocess.run(
        [*command, str(library), "-lgcc", "-lc", "-o", str(joined)], check=True, stderr=subprocess.DEVNULL
    )
    return text_bytes(joined)


def run_stack_bytes(core: str, folder: Path) -> int:
    """C stack of a run at the most: the deepest path from hp_vm_run, the helper it calls by pointer included.

    From gcc's own call graph (-fcallgraph-info=su); it does not know what mem* and gcc's arithmetic take.
    """
    graph = CallGraph(indirect=("hp_helper_call",))
    for name in ENGINE:
        graph.read((folder / f"{core}-{name}.ci").read_text())
    graph.leave_unknown_at_0()
    return graph.deepest("hp_vm_run")


def measure(core: str, folder: Path) -> Footprint:
    sources = sorted((RUNTIME / "core").glob("*.c"))
    sizes = {source.stem: text_bytes(compile_object(source, core, folder)) for source in sources}
    sizes["monocypher"] = linked_signature_bytes(core, folder)
    probe = folder / "probe.c"
    probe.write_text(PROBE)
    records = object_symbols(compile_object(probe, core, folder))
    return Footprint(core, sizes, run_stack_bytes(core, folder), records["run_record"], records["runtime"])


def table(footprints: Sequence[Footprint], budgets: Sequence[Budget] = BUDGETS) -> str:
    """Bytes by file and in sum, a column for each core, and the budgets of the sums."""

    def row(name: str, values: Iterable[int], last: str = "") -> str:
        return (f"{name:22}" + "".join(f"{value:15}" for value in values) + f"  {last}").rstrip()

    head = f"{'bytes':22}" + "".join(f"{f.core:>15}" for f in footprints) + "  budget or target"
    files = [row(name, (f.text_bytes[name] for f in footprints)) for name in sorted(footprints[0].text_bytes)]
    sums = [row(b.name, map(b.value, footprints), b.cell(footprints)) for b in budgets]
    return "\n".join([head, *files, *sums, row("RAM: hp_runtime_t", (f.runtime_bytes for f in footprints))])


def report(footprints: Sequence[Footprint], budgets: Sequence[Budget] = BUDGETS) -> int:
    """Prints the table and what is over; 1 if that is a budget, else 0."""
    print(table(footprints, budgets))
    print("\n".join(line for budget in budgets for line in budget.over(footprints)) or "within budget")
    return int(any(budget.over(footprints) for budget in budgets if budget.enforced))


def main() -> int:
    version = subprocess.run(
        ["arm-none-eabi-gcc", "-dumpfullversion"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        footprints = [measure(core, Path(folder)) for core in CORES]
    print(f"arm-none-eabi-gcc {version.stdout.strip()}")
    return report(footprints)


if __name__ == "__main__":
    sys.exit(main())
