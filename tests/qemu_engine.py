"""Stop 12 of 12. The engine's vectors on QEMU's machines: a second opinion on unaligned accesses.

Takes vectors; gives what the machine printed. Expected memory and fuel are the reference's.
Next: tests/runtime/qemu_harness.c
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchctl.contract import Fault
from patchctl.reference import HELPERS, run

from tests.engine import INCLUDES, ROOT, SOURCES
from tests.isa_vectors import READABLE, STACK, WRITABLE, Vector

_STRUCT = """
typedef struct vector_t {
    const char *name;
    const uint32_t *code;
    const uint8_t *context, *context_after, *data, *variables, *variables_after;
    uint32_t code_bytes, context_bytes, data_bytes, variable_bytes, fuel, fuel_left, frame_bytes, helper_mask;
    uint32_t fault, ignores_result, context_address, data_address, variables_address;
    uint64_t result;
} vector_t;
"""
_LINK = """
SECTIONS {{
  . = {flash:#x};
  .text : {{ KEEP(*(.vectors)) *(.text*) }}
  ASSERT(SIZEOF(.text) < 0x42000, "the vectors' data section lies at 0x42000")
  . = {flash:#x} + 0x44000;
  .tables : {{ *(.rodata*) }}
  . = {ram:#x};
  .data : {{ *(.data* .bss* COMMON) }}
  stack_top = {ram:#x} + 0x8000;
}}
"""
_LIMIT_S = 60
_SHIFTS = 4
_PLACES = {"STACK": STACK, "READABLE": READABLE, "WRITABLE": WRITABLE}


@dataclass(frozen=True, slots=True)
class Emulated:
    """One machine of QEMU: its core, and where code and RAM lie."""

    machine: str
    core: str
    flash: int
    ram: int


# The vectors' own addresses must be RAM: the an505 has 32 KB at 0x20000000, so they lie within that.
MACHINES = (
    Emulated("mps2-an385", "cortex-m3", 0x00000000, 0x20020000),
    Emulated("mps2-an386", "cortex-m4", 0x00000000, 0x20020000),
    Emulated("mps2-an505", "cortex-m33", 0x10000000, 0x38000000),
    Emulated("mps2-an521", "cortex-m33", 0x10000000, 0x38000000),
)


def version() -> tuple[int, ...]:
    """QEMU's version; nothing pins it, so tests say which it was."""
    said = subprocess.run(["qemu-system-arm", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", said)
    assert match is not None, said
    return tuple(map(int, match.groups()))


def _row(number: int, vector: Vector, shift: int) -> tuple[str, str]:
    """The vector's arrays and its row of the table."""
    space = vector.space()
    space.context.address += shift
    space.data.address += shift
    space.variables.address += shift
    known = {helper: HELPERS[helper] for helper in vector.helpers if helper in HELPERS}
    end = run(vector.code, space, fuel=vector.fuel, frame_bytes=vector.frame_bytes, helpers=known)
    words = [int.from_bytes(vector.code[at : at + 4], "little") for at in range(0, len(vector.code), 4)]
    pieces = {
        "context": vector.context, "after": bytes(space.context.data), "data": vector.data,
        "variables": vector.variables, "kept": bytes(space.variables.data),
    }  # fmt: skip
    arrays = [f"static const uint32_t code{number}[] = {{{', '.join(f'{word}U' for word in words)}}};"]
    arrays += [
        f"static const uint8_t {name}{number}[] = {{{', '.join(map(str, data + bytes(1)))}}};"
        for name, data in pieces.items()
    ]
    mask = sum(1 << helper for helper in vector.helpers)
    numbers = (
        len(vector.code), len(vector.context), len(vector.data), len(vector.variables), vector.fuel, end.fuel,
        vector.frame_bytes, mask, int(end.fault), int(end.fault is not Fault.NONE), space.context.address,
        space.data.address, space.variables.address,
    )  # fmt: skip
    names = ", ".join(f"{name}{number}" for name in ("code", *pieces))
    fields = ", ".join(f"{value}U" for value in numbers)
    text = f'{{"{vector.name}, {shift} bytes off", {names}, {fields}, {end.registers[0]}ULL}},'
    return "\n".join(arrays), text


def build_image(
    emulated: Emulated, vectors: Sequence[Vector], folder: Path, changed: Path | None = None
) -> Path:
    """Compiles engine, harness and vectors for one machine; `changed` as in tests.engine.build_changed."""
    cases = [(vector, shift) for vector in vectors for shift in range(_SHIFTS)]
    rows = [_row(number, vector, shift) for number, (vector, shift) in enumerate(cases)]
    header = [_STRUCT, *(arrays for arrays, _ in rows)]
    header += [f"#define {name} {value:#x}U" for name, value in _PLACES.items()]
    header += [f"#define VECTOR_COUNT {len(rows)}U", "static const vector_t vectors[] = {"]
    (folder / "vectors.h").write_text("\n".join([*header, *(row for _, row in rows), "};\n"]))
    (folder / "link.ld").write_text(_LINK.format(flash=emulated.flash, ram=emulated.ram))
    image = folder / f"{emulated.machine}.elf"
    flags = [
        "-std=c11",
        "-Os",
        "-mthumb",
        f"-mcpu={emulated.core}",
        "-nostartfiles",
        *INCLUDES,
        f"-I{folder}",
    ]
    link = ["-T", str(folder / "link.ld"), "-Wl,-e,reset,--no-warn-rwx-segments"]
    kept = [source for source in SOURCES if changed is None or Path(source).name != changed.name]
    sources = [str(ROOT / source) for source in (*kept, "tests/runtime/qemu_harness.c")]
    sources += [] if changed is None else [str(changed)]
    subprocess.run(["arm-none-eabi-gcc", *flags, *link, "-o", str(image), *sources], check=True)
    return image


def run_image(emulated: Emulated, image: Path) -> str:
    """Runs an image to its end; what it printed."""
    options = ["-display", "none", "-serial", "null", "-monitor", "none", "-kernel", str(image)]
    end = subprocess.run(
        [
            "qemu-system-arm", "-machine", emulated.machine, "-semihosting-config", "enable=on,target=native",
            *options,
        ],
        capture_output=True, text=True, check=False, timeout=_LIMIT_S,
    )  # fmt: skip
    return end.stdout + end.stderr
