"""Print flash and RAM of the device runtime for each core type, against budgets.

Takes device_runtime/core and Monocypher; compiles each file with -Os for size and reads the objects
back. Counts repeat for a compiler version, which is printed. Exit 1 if a budget is exceeded.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import deps
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "device_runtime"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33")
ENGINE = ("vm", "check", "helpers")
BUDGET_CORE = "cortex-m4"
ENGINE_BYTES_MAX = 7 * 1024
TRUST_PATH = (
    *("admit", "blocks", "cbor", "check", "crypto", "helpers", "monocypher"),
    *("payload", "sha256", "sha512", "store", "suit", "vm"),
)
TRUST_PATH_BYTES_TARGET = 24 * 1024
RUN_STACK_BYTES_MAX = 256
RUN_RECORD_BYTES_MAX = 300
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


def compile_object(source: Path, core: str, folder: Path) -> Path:
    """The object of one source, by the options of device_runtime/Makefile; its call graph lies beside it."""
    target = folder / f"{core}-{source.stem}.o"
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-std=c11", "-ffreestanding", "-Os"]
    command += ["-mgeneral-regs-only", "-ffunction-sections", "-fdata-sections", "-fcallgraph-info=su"]
    command += ["-O2"] if source.stem == "vm" and core != "cortex-m0plus" else []
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
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {"__indirect_call": {"hp_helper_call"}}
    for name in ENGINE:
        text = (folder / f"{core}-{name}.ci").read_text()
        for title, size in re.findall(r'node: { title: "([^"]+)" label: "[^"]*?(\d+) bytes', text):
            frames[title] = int(size)
        for caller, callee in re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(caller, set()).add(callee)

    def deepest(function: str) -> int:
        return frames.get(function, 0) + max(map(deepest, calls.get(function, ())), default=0)

    return deepest("hp_vm_run")


def measure(core: str, folder: Path) -> Footprint:
    sources = sorted((RUNTIME / "core").glob("*.c"))
    sizes = {source.stem: text_bytes(compile_object(source, core, folder)) for source in sources}
    sizes["monocypher"] = linked_signature_bytes(core, folder)
    probe = folder / "probe.c"
    probe.write_text(PROBE)
    records = object_symbols(compile_object(probe, core, folder))
    return Footprint(core, sizes, run_stack_bytes(core, folder), records["run_record"], records["runtime"])


def table(footprints: list[Footprint]) -> str:
    names = sorted(footprints[0].text_bytes)
    head = f"{'bytes of flash, -Os':22}" + "".join(f"{f.core:>15}" for f in footprints)
    rows = [f"{name:22}" + "".join(f"{f.text_bytes[name]:15}" for f in footprints) for name in names]
    sums: dict[str, Callable[[Footprint], int]] = {
        "engine and check": lambda f: f.engine_bytes,
        "whole trust path": lambda f: f.trust_path_bytes,
        "C stack of a run": lambda f: f.stack_bytes,
        "RAM: one run's record": lambda f: f.run_record_bytes,
        "RAM: hp_runtime_t": lambda f: f.runtime_bytes,
    }
    rows += [f"{name:22}" + "".join(f"{value(f):15}" for f in footprints) for name, value in sums.items()]
    return "\n".join([head, *rows])


def budgets(footprint: Footprint) -> list[tuple[str, int, int]]:
    """(what, bytes, most) of a core type; flash is budgeted on the M4."""
    flash = [("engine and check", footprint.engine_bytes, ENGINE_BYTES_MAX)]
    run = [
        ("C stack of a run", footprint.stack_bytes, RUN_STACK_BYTES_MAX),
        ("one run's record", footprint.run_record_bytes, RUN_RECORD_BYTES_MAX),
    ]
    return run + (flash if footprint.core == BUDGET_CORE else [])


def main() -> int:
    version = subprocess.run(
        ["arm-none-eabi-gcc", "-dumpfullversion"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        footprints = [measure(core, Path(folder)) for core in CORES]
    print(f"arm-none-eabi-gcc {version.stdout.strip()}\n{table(footprints)}")
    over = [
        f"{name} takes {size} bytes on {footprint.core}, budget {limit}"
        for footprint in footprints
        for name, size, limit in budgets(footprint)
        if size > limit
    ]
    trust = next(f for f in footprints if f.core == BUDGET_CORE).trust_path_bytes
    print(f"whole trust path on {BUDGET_CORE}: {trust} bytes, target {TRUST_PATH_BYTES_TARGET}")
    print("\n".join(over) or "within budget")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
