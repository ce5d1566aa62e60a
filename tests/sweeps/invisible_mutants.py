"""Stop 11 of 12. Ways in which a veneer could be wrong, planted in a board's flash.

Takes a patched board; gives edits of its machine code, and whether the comparison notices them.
Next: device_runtime/port/cortex_m/veneer.S
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from tests.sweeps.invisible import Choice, Tally, compare, make_bench, reaching, sites_of
from tests.sweeps.invisible_boards import Patched, patched
from tests.sweeps.invisible_code import builds

Edits = dict[int, bytes]
FUNCTION = "flags_and_registers"
BY_HARD_FAULT = "IF-THEN state, by way of HardFault"
SEARCHED_BYTES = 256
DSP = ("cortex-m4f", "cortex-m33f")


def replaced(target: Patched, place: str, old: str, new: str) -> Edits:
    """`new` instead of `old` where it first is behind the symbol `place`."""
    address = target.machine.symbols[place] & ~1
    code = target.machine.read_memory(address, SEARCHED_BYTES)
    assert bytes.fromhex(old) in code, f"{place}: {code.hex()}"
    return {address + code.index(bytes.fromhex(old)): bytes.fromhex(new)}


def call_to(here: int, there: int) -> bytes:
    """BL, encoding T1 (Armv7-M ARM A7.7.18)."""
    offset = there - (here + 4)
    sign, high, low = offset >> 24 & 1, offset >> 12 & 0x3FF, offset >> 1 & 0x7FF
    first, second = (offset >> 23 & 1) ^ sign ^ 1, (offset >> 22 & 1) ^ sign ^ 1
    return struct.pack("<HH", 0xF000 | sign << 10 | high, 0xD000 | first << 13 | second << 11 | low)


def detour(target: Patched, behind: str, word: int = 0) -> Edits:
    """The veneer calls the core, and then runs `behind`: code that must leave r0 alone. `word` follows it."""
    core = target.machine.symbols["hp_fire"] & ~1
    veneers = target.machine.symbols["hp_fixed_enter" if target.fixed else "hp_veneers"] & ~1
    code = target.machine.read_memory(veneers, SEARCHED_BYTES)
    free = target.board.store.address - 0x400
    calls = (veneers + at for at in range(0, SEARCHED_BYTES - 3, 2))
    call = next(at for at in calls if code[at - veneers :].startswith(call_to(at, core)))
    body = (
        bytes.fromhex("08b5")
        + call_to(free + 2, core)
        + bytes.fromhex(behind + "08bd")
        + struct.pack("<I", word)
    )
    return {call: call_to(call, free), free: body}


def stray_store(target: Patched, place: str) -> Edits:
    """The core stores a word at symbol `place`: ldr r1, =place; str r1, [r1]."""
    return detour(target, "01490960", target.machine.symbols[place])


def without_flags(target: Patched) -> Edits:
    """The veneer does not write APSR."""
    return replaced(target, "hp_veneers", "81f3008c" if target.core in DSP else "81f30088", "00bf00bf")


def without_ge(target: Patched) -> Edits:
    """The core uses GE (movs r1, #0; uadd8 r1, r1, r1), and the veneer writes all flags but these."""
    lost = replaced(target, "hp_veneers", "81f3008c", "81f30088")
    return {**detour(target, "002181fa41f1"), **lost}


STORES: Mapping[str, Callable[[Patched], Edits]] = {
    "the firmware's variables": lambda target: stray_store(target, "latest_reading"),
    "the console's buffer": lambda target: stray_store(target, "console_in_bytes"),
    "RAM behind all variables": lambda target: stray_store(target, "hp_bss_end"),
}
MUTANTS: Mapping[str, Callable[[Patched], Edits]] = {
    "no flags": without_flags,
    "no GE": without_ge,
    "IF-THEN state": lambda target: replaced(target, "hp_debug_monitor", "23f47c43", "00bf00bf"),
    BY_HARD_FAULT: lambda target: replaced(target, "hp_hard_fault_taken", "23f47c43", "00bf00bf"),
    "lr": lambda target: replaced(target, "hp_veneers", "5df804eb", "01b000bf"),  # add sp, #4
    "r12": lambda target: replaced(target, "hp_veneers", "bde80f90", "bde80f88"),  # into r11
    "FP in the program": lambda target: detour(target, "00ee100a"),  # vmov s0, r0
    "flag-setting moves": lambda target: replaced(target, "hp_veneers", "40f20000", "002000bf"),  # movs
    **STORES,
}
FIXED_MUTANTS: Mapping[str, Callable[[Patched], Edits]] = {
    "lr": lambda target: replaced(target, "hp_fault_exit", "8e46", "c046"),
    "r4-r7": lambda target: replaced(target, "hp_fault_exit", "0430f0c8", "0430c046"),
    "r0-r3": lambda target: replaced(target, "hp_fault_exit", "0fbc", "04b0"),  # add sp, #16
    **STORES,
}
HARMLESS: Mapping[str, Callable[[Patched], Edits]] = {
    "a detour that loses nothing": lambda target: detour(target, "c046"),
}


def mutants(target: Patched) -> Iterator[str]:
    """Those that the core can have."""
    for name in FIXED_MUTANTS if target.fixed else MUTANTS:
        possible = {"no GE": target.core in DSP, "FP in the program": target.has_fp}
        if possible.get(name, True):
            yield name


def differences_with(target: Patched, name: str) -> list[str]:
    """What the comparison notices first: FUNCTION with a site at each instruction in turn."""
    bench = make_bench(target, builds(target.core)[0], "assembly", flash_edits=planted(target, name))
    context = "PRIMASK" if name == BY_HARD_FAULT else "thread"
    tally, choice = Tally(), Choice(injections=False)
    for site in sites_of(bench, FUNCTION)[0]:
        case = reaching(bench, FUNCTION, site, context, choice.seed)
        assert case is not None
        compare(bench, FUNCTION, site, case, target.contexts()[context], choice, tally)
        if tally.differences:
            break
    return tally.differences


def planted(target: Patched, name: str) -> Edits:
    """The edits of a mutant, of the board's own code."""
    target.machine.restore(target.rest)
    return (FIXED_MUTANTS if target.fixed else {**MUTANTS, **HARMLESS})[name](target)


def unnoticed(name: str) -> tuple[int, list[str]]:
    """How many mutants board `name` has, and those that the comparison does not notice."""
    target = patched(name)
    names = list(mutants(target))
    return len(names), [lost for lost in names if not differences_with(target, lost)]
