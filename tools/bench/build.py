"""From C to images: the three compilers, the linker, the disassembler. All subprocesses of the benchmark.

Takes a workload and a build folder; gives eBPF code, a WebAssembly module, or a linked Cortex-M4 image.
Raises InputError with the compiler's words. Next: cycles.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from patchctl.errors import InputError

from bench.cycles import ThumbInstruction
from bench.workloads import SOURCES, Workload

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "device_runtime"
ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "-std=gnu11", "-g0", "-ffunction-sections")
NATIVE = (
    "-O2",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
    "-fno-tree-vectorize",
)
# As device_runtime/Makefile builds them: the core for size, but what a hit waits for is compiled for speed.
CORE = ("-Os", "-ffreestanding", "-mgeneral-regs-only", f"-I{RUNTIME / 'include'}", f"-I{RUNTIME}")
CORE_FILES = {
    RUNTIME / "core" / "vm.c": (*CORE, "-O2"),
    RUNTIME / "core" / "check.c": CORE,
    RUNTIME / "port" / "cortex_m" / "memory.c": (*CORE, "-O2", "-fno-tree-loop-distribute-patterns"),
}
CLANG = (
    *("-O2", "-std=c11", "-ffreestanding", "-fno-builtin"),
    "-fno-sanitize=all",
)
EBPF = ("-mcpu=v4", "-fno-unroll-loops", "-fno-jump-tables")  # as patches are compiled
WASM = ("-mcpu=mvp",)
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)(?:\s+(.*?))?\s*$")


def run(command: Sequence[str], what: str) -> str:
    """Standard output of a command. Raises InputError if it fails or is not there."""
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]} is not installed", where=what, hint="./tools/dev doctor")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "patchctl" / "zig"
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(cache), **os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise InputError(done.stderr.strip()[-2000:], where=what)
    return done.stdout


def toolchain() -> str:
    """The compilers' versions: counts are comparable only where these are equal."""
    gcc = run(["arm-none-eabi-gcc", "-dumpfullversion"], "gcc").strip()
    return f"arm-none-eabi-gcc {gcc}, ziglang {version('ziglang')}"


def ebpf_code(workload: Workload, folder: Path) -> bytes:
    """The instructions of workload(), -mcpu=v4. Raises InputError if it would need a relocation."""
    output = folder / f"{workload.name}.bpf.o"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", *EBPF]
    run([*compiler, *CLANG, "-c", str(workload.source), "-o", str(output)], workload.name)
    elf = ELFFile(BytesIO(output.read_bytes()))
    if elf.get_section_by_name(".rel.text") is not None:
        raise InputError("the eBPF object has relocations", where=workload.name, hint="use only the context")
    text: Any = elf.get_section_by_name(".text")
    return bytes(text.data())


def ebpf_stack_bytes(code: bytes) -> int:
    """How far below r10 the program reaches, as a multiple of 8; r10 may only be a base register here."""
    lowest = 0
    for at in range(0, len(code), 8):
        opcode, registers = code[at], code[at + 1]
        offset = int.from_bytes(code[at + 2 : at + 4], "little", signed=True)
        is_load = opcode & 7 == 1
        is_store = opcode & 7 in (2, 3)
        base = registers >> 4 if is_load else registers & 15
        if (is_load or is_store) and base == 10:
            lowest = min(lowest, offset)
        elif registers >> 4 == 10:
            raise InputError("the stack's address leaves r10", where=f"instruction {at // 8}")
    return (-lowest + 7) // 8 * 8


def wasm_module(workload: Workload, folder: Path) -> bytes:
    """A module that exports workload() and one page of memory."""
    obj, output = folder / f"{workload.name}.wasm.o", folder / f"{workload.name}.wasm"
    zig = [sys.executable, "-m", "ziglang"]
    target = ["cc", "-target", "wasm32-freestanding", *WASM]
    run([*zig, *target, *CLANG, "-c", str(workload.source), "-o", str(obj)], workload.name)
    layout = ["--no-entry", "--stack-first", "-z", "stack-size=4096", "--initial-memory=65536", "--strip-all"]
    run([*zig, "wasm-ld", *layout, str(obj), "-o", str(output)], workload.name)
    return output.read_bytes()


def arm_object(source: Path, folder: Path, options: Sequence[str]) -> Path:
    output = folder / f"{source.stem}.o"
    run(["arm-none-eabi-gcc", *ARM, *options, "-c", str(source), "-o", str(output)], source.name)
    return output


def program_object(code: bytes, folder: Path) -> Path:
    """An object that holds `code` in flash, 8-aligned, between program_code and program_code_end."""
    (folder / "program.bin").write_bytes(code)
    source = folder / "program.S"
    source.write_text(
        ".section .rodata\n.balign 8\n.global program_code, program_code_end\n"
        f'program_code: .incbin "{folder / "program.bin"}"\nprogram_code_end:\n',
        encoding="utf-8",
    )
    return arm_object(source, folder, ())


def link(objects: Sequence[Path], folder: Path, *, entries: Sequence[str]) -> Path:
    """The image; keeps `entries` and what they need."""
    output = folder / "image.elf"
    keep = [f"-Wl,--undefined={name}" for name in entries]
    options = [
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections",
        *keep,
        "-T",
        str(SOURCES / "image.ld"),
    ]
    libraries = ["-Wl,--start-group", "-lc", "-lgcc", "-Wl,--end-group"]
    command = ["arm-none-eabi-gcc", *ARM, *options, *map(str, objects), *libraries, "-o", str(output)]
    run(command, folder.name)
    return output


def text_bytes(path: Path) -> int:
    """Code and constants of an object or image (the first column of `size`)."""
    return int(run(["arm-none-eabi-size", str(path)], path.name).splitlines()[1].split()[0])


def disassemble(image: Path) -> dict[int, ThumbInstruction]:
    """Every instruction of the image by its address."""
    listing = run(["arm-none-eabi-objdump", "-d", str(image)], image.name)
    found = {}
    for line in listing.splitlines():
        match = LINE.match(line)
        if match and not match[3].startswith("."):
            operands = re.split(r"\s*[;@<]", match[4] or "")[0]
            size = len(match[2].replace(" ", "")) // 2
            name = match[3].removesuffix(".w").removesuffix(".n")
            address = int(match[1], 16)
            found[address] = ThumbInstruction(address, size, name, operands)
    return found
