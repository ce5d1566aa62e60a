"""Print flash and RAM of the device runtime for each core type, against budgets.

Takes device_runtime/core and Monocypher; compiles each file with -Os for size and reads the objects
back. Counts repeat for a compiler version, which is printed. Exit 1 if a budget is exceeded.
"""

from __future__ import annotations

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
TRUST_PATH_BYTES_MAX = 24 * 1024
PROBE = """#include "hotpatch/hotpatch.h"
const char run_record[sizeof(hp_vm_t)]; const char runtime[sizeof(hp_runtime_t)];
"""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of one core type."""

    core: str
    text_bytes: dict[str, int]
    run_record_bytes: int
    runtime_bytes: int

    @property
    def engine_bytes(self) -> int:
        """Interpreter, structural check and helpers."""
        return sum(self.text_bytes[name] for name in ENGINE)

    @property
    def trust_path_bytes(self) -> int:
        """Everything of ours in flash, and the signature check."""
        return sum(self.text_bytes.values())


def compile_object(source: Path, core: str, folder: Path) -> Path:
    target = folder / f"{core}-{source.stem}.o"
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-std=c11", "-ffreestanding", "-Os"]
    command += ["-mgeneral-regs-only", "-ffunction-sections", "-fdata-sections"]
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


def measure(core: str, folder: Path) -> Footprint:
    sources = sorted((RUNTIME / "core").glob("*.c"))
    sizes = {source.stem: text_bytes(compile_object(source, core, folder)) for source in sources}
    sizes["monocypher"] = linked_signature_bytes(core, folder)
    probe = folder / "probe.c"
    probe.write_text(PROBE)
    records = object_symbols(compile_object(probe, core, folder))
    return Footprint(core, sizes, records["run_record"], records["runtime"])


def table(footprints: list[Footprint]) -> str:
    names = sorted(footprints[0].text_bytes)
    head = f"{'bytes of flash, -Os':22}" + "".join(f"{f.core:>15}" for f in footprints)
    rows = [f"{name:22}" + "".join(f"{f.text_bytes[name]:15}" for f in footprints) for name in names]
    sums: dict[str, Callable[[Footprint], int]] = {
        "engine and check": lambda f: f.engine_bytes,
        "whole trust path": lambda f: f.trust_path_bytes,
        "RAM: one run's record": lambda f: f.run_record_bytes,
        "RAM: hp_runtime_t": lambda f: f.runtime_bytes,
    }
    rows += [f"{name:22}" + "".join(f"{value(f):15}" for f in footprints) for name, value in sums.items()]
    return "\n".join([head, *rows])


def main() -> int:
    version = subprocess.run(
        ["arm-none-eabi-gcc", "-dumpfullversion"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        footprints = [measure(core, Path(folder)) for core in CORES]
    print(f"arm-none-eabi-gcc {version.stdout.strip()}\n{table(footprints)}")
    budget = next(f for f in footprints if f.core == BUDGET_CORE)
    over = [
        f"{name} takes {size} bytes on {BUDGET_CORE}, budget {limit}"
        for name, size, limit in (
            ("engine and check", budget.engine_bytes, ENGINE_BYTES_MAX),
            ("whole trust path", budget.trust_path_bytes, TRUST_PATH_BYTES_MAX),
        )
        if size > limit
    ]
    print("\n".join(over) or f"within budget: engine {ENGINE_BYTES_MAX}, trust path {TRUST_PATH_BYTES_MAX}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
