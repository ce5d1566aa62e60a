"""What an emulated board costs on this machine: its rate beside bare Unicorn, boots, restores, memory.

Takes the MicroPython image; gives ratios, medians of five pairs measured in turn, and counts, as a table or
JSON. Rates of one machine say nothing of another, so they are printed as ratios; nothing here is a test.
`python tools/bench/emulator.py [--json] [--board NAME]... [--image ELF]`
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "host"))

import unicorn  # noqa: E402 - found only once the path is set where there is no installed package
from patchctl.board import Board, load_board  # noqa: E402
from patchctl.emulator import Machine  # noqa: E402
from patchctl.emulator.cpu import MODELS  # noqa: E402
from patchctl.errors import PatchctlError  # noqa: E402
from unicorn import arm_const, unicorn_const  # noqa: E402

PAIRS = 5
INSTRUCTIONS = 40_000_000
BOOTS = 3
RESTORES = 200
BOARDS = 100
RATIO_WANTED = 0.75
MEMORY_WANTED_MB = 500
PROMPT = b">>> "
UNICORN: Any = unicorn  # the binding is not annotated

# Arithmetic, loads, stores, calls and branches, as a compiler makes them.
SOURCE = """
extern char stack_top[];
static volatile unsigned ticks;
static unsigned table[256];
static __attribute__((noinline)) unsigned mix(unsigned a, unsigned b)
{
    return (a << 5 | a >> 27) ^ b * 0x9e3779b1u;
}
void tick(void) { ticks = ticks + 1; }
void reset(void)
{
    if (WITH_TICK) {
        *(volatile unsigned *)0xE000E014 = TICK_CYCLES - 1;
        *(volatile unsigned *)0xE000E018 = 0;
        *(volatile unsigned *)0xE000E010 = 7;
    }
    for (unsigned state = 1;;) {
        for (unsigned i = 0; i < 256; i++) {
            state = mix(state, table[i]);
            table[i] = state;
        }
    }
}
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_top, (const void *)reset, [15] = (const void *)tick};
"""
SCRIPT = """
ENTRY(reset) SECTIONS {{ .text {flash} : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }}
.bss {ram} (NOLOAD) : {{ *(.bss*) *(.data*) }} stack_top = {ram} + 0x4000;
/DISCARD/ : {{ *(.ARM.*) *(.note*) }} }}
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured. Times are of this machine; the ratios travel."""

    board: str
    ratio_to_unicorn: float
    ratios: tuple[float, ...]
    boots_per_s: float
    boot_instructions: int
    restore_us: float
    boards: int
    boards_mb: float


def loop_firmware(board: Board, folder: Path, *, ticks: bool) -> bytes:
    """The loop as an ELF; with `ticks`, SysTick interrupts it a thousand times a second."""
    source, layout, elf = folder / "loop.c", folder / "loop.ld", folder / f"loop{ticks}.elf"
    source.write_text(SOURCE)
    layout.write_text(SCRIPT.format(flash=hex(board.flash.address), ram=hex(board.ram.address)))
    core = "cortex-m0plus" if "m0" in board.chip.core else board.chip.core.removesuffix("f")
    defines = [f"-DWITH_TICK={int(ticks)}", f"-DTICK_CYCLES={board.chip.clock_hz // 1000}"]
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-Os", "-ffreestanding", "-nostdlib"]
    subprocess.run([*command, *defines, f"-T{layout}", str(source), "-o", str(elf)], check=True)
    return elf.read_bytes()


def timed(action: Callable[[], object]) -> float:
    """Seconds of this process's own time."""
    start = time.process_time()
    action()
    return time.process_time() - start


def bare_unicorn(board: Board, elf: bytes) -> Callable[[], object]:
    """The loop without ticks on Unicorn alone: no hook, no device, one call."""
    machine = Machine(board, elf)  # only for the memory it has loaded
    uc = UNICORN.Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(MODELS[board.chip.core])  # as the emulated board has it
    uc.mem_map(board.flash.address, board.flash.bytes)
    uc.mem_write(board.flash.address, machine.flash_bytes())
    uc.mem_map(board.ram.address, board.ram.bytes)
    uc.reg_write(arm_const.UC_ARM_REG_SP, board.ram.address + 0x4000)
    state = {"pc": machine.symbols["reset"]}

    def run() -> None:
        uc.emu_start(state["pc"] | 1, 0xFFFF_FFFE, count=INSTRUCTIONS)
        state["pc"] = uc.reg_read(arm_const.UC_ARM_REG_PC)

    return run


def rate_ratios(board: Board, folder: Path) -> tuple[float, ...]:
    """Time of bare Unicorn by time of the board for the same instructions, in pairs, each warmed up."""
    bare = bare_unicorn(board, loop_firmware(board, folder, ticks=False))
    machine = Machine(board, loop_firmware(board, folder, ticks=True))

    def on_board() -> None:
        machine.run(instructions=INSTRUCTIONS)

    bare()
    on_board()
    return tuple(timed(bare) / timed(on_board) for _ in range(PAIRS))


def booted(board: Board, image: bytes) -> Machine:
    """A board at its first prompt."""
    machine = Machine(board, image)
    machine.run_until_output(PROMPT)
    return machine


def resident_mb() -> float:
    """Memory that only this process holds, in megabytes (proc(5), smaps_rollup)."""
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) / 1024


def memory_of_boards(board: Board, image: bytes) -> float:
    """Megabytes that BOARDS booted boards take in this process."""
    before = resident_mb()
    machines = [booted(board, image) for _ in range(BOARDS)]
    return (resident_mb() - before) * BOARDS / len(machines)


def measure(board: Board, image: bytes) -> Result:
    """All of it, one after the other."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ratios = rate_ratios(board, Path(folder))
    boots = [timed(lambda: booted(board, image)) for _ in range(BOOTS)]
    machine = booted(board, image)
    instructions, snapshot = machine.instructions, machine.snapshot()
    restores = []
    for _ in range(RESTORES):
        machine.run_us(1_000)
        restores.append(timed(lambda: machine.restore(snapshot)))
    memory = memory_of_boards(board, image)
    return Result(
        board.name, round(statistics.median(ratios), 3), tuple(round(ratio, 3) for ratio in ratios),
        round(1 / statistics.median(boots), 2), instructions, round(statistics.mean(restores) * 1e6, 1),
        BOARDS, round(memory, 1),
    )  # fmt: skip


def as_text(result: Result) -> str:
    """A line for each figure, with what is wanted of it."""
    spread = f"{min(result.ratios):.0%} to {max(result.ratios):.0%}"
    rate = "met" if result.ratio_to_unicorn >= RATIO_WANTED else "missed"
    memory = "met" if result.boards_mb <= MEMORY_WANTED_MB else "missed"
    return (
        f"board                     {result.board}\n"
        f"rate beside bare Unicorn  {result.ratio_to_unicorn:.0%}  median of {PAIRS} pairs, {spread}; "
        f"wanted {RATIO_WANTED:.0%}: {rate}\n"
        f"cold boots a second       {result.boots_per_s}  of {result.boot_instructions:,} instructions each\n"
        f"restore                   {result.restore_us} us\n"
        f"{result.boards} boards                {result.boards_mb} MB  wanted {MEMORY_WANTED_MB}: {memory}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench/emulator", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--board", action="append", metavar="NAME", help="may repeat; nrf52840dk unless given"
    )
    parser.add_argument(
        "--image", type=Path, help="MicroPython's ELF, {board} for the board; this checkout's"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args(arguments)
    image = str(options.image or ROOT / "build" / "firmware" / "{board}" / "micropython" / "firmware.elf")
    try:
        boards = [load_board(name) for name in options.board or ("nrf52840dk",)]
        results = [measure(board, Path(image.format(board=board.name)).read_bytes()) for board in boards]
    except PatchctlError as problem:
        print(f"bench: {problem.line()}", file=sys.stderr)
        return problem.exit_code
    except OSError as problem:
        print(f"bench: {problem}; build it with: make -C device_runtime BOARD=NAME", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        print("\n\n".join(as_text(result) for result in results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
