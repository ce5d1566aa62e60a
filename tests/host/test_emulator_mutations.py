"""An emulator with a bug of each known class fails a named test: those tests are not there for show.

Each row changes one line of a module of the emulator; the classes that it defines take the place of the good
ones everywhere for one test, which must then fail.
"""

import sys
import types
from pathlib import Path

import pytest
import test_emulator_core as m4
import test_emulator_cores as cores
import test_emulator_cpu as fence
import test_emulator_debug_table as table
from patchctl import emulator
from patchctl.emulator import devices
from patchctl.errors import PatchctlError

from tests.spoiling import spoiled

PACKAGE = Path(emulator.__file__).parent
FAILURES = (AssertionError, PatchctlError, pytest.fail.Exception)


def row(behaviour):
    return next(each for each in table.ROWS if each["behaviour"].startswith(behaviour))


MUTATIONS = {
    "hflags are not rebuilt on entry": (
        "core.py",
        'self._enter = cpu.batch("r13", "ipsr", "apsr_nzcv", "lr", "epsr")',
        'self._enter = cpu.batch("r13", "ipsr", "r12", "lr", "epsr")',
        lambda: cores.test_priorities_preempt_and_an_equal_one_is_chained_without_unstacking("nrf52840dk"),
    ),
    "an access that ends the slice is executed twice": (
        "cpu.py",
        "self._limit.value = self._counter.value",
        "self._uc.emu_stop()",
        fence.test_a_device_ends_the_slice_behind_the_access_which_happens_once,
    ),
    "IT state leaks out of a memory hook": (
        "cpu.py",
        "        self._clear_it_state(uc)\n        store",
        "        store",
        fence.test_a_flash_store_in_an_it_block_does_not_leak_its_condition,
    ),
    "translations are stale after exits change": (
        "cpu.py",
        "            self._uc.ctl_remove_cache(address, address + 2)",
        "            pass",
        fence.test_an_exit_stops_before_its_instruction_even_after_translation,
    ),
    "the lowest priority is taken first": (
        "exceptions.py",
        "return min(ready, key",
        "return max(ready, key",
        lambda: cores.test_priorities_preempt_and_an_equal_one_is_chained_without_unstacking("nucleo_g0b1re"),
    ),
    "an equal priority preempts": (
        "core.py",
        ">= self.execution_priority():\n            return False\n        self.enter",
        "> self.execution_priority():\n            return False\n        self.enter",
        lambda: cores.test_priorities_preempt_and_an_equal_one_is_chained_without_unstacking("stm32l475"),
    ),
    "REPLACE names the wrong half": (
        "system/fpb.py",
        "if replace >> half & 1",
        "if replace >> (1 - half) & 1",
        lambda: cores.test_every_comparator_hits_on_either_half_of_a_word("stm32l475"),
    ),
    "frames are not aligned": (
        "core.py",
        "(0x68 if with_fp else 0x20)) & ~7",
        "(0x68 if with_fp else 0x20)) & ~3",
        lambda: cores.test_registers_and_flags_survive_an_exception_and_frames_are_aligned("nucleo_g0b1re"),
    ),
    "stack limits are not looked at on entry": (
        "core.py",
        "if frame < limit:",
        "if frame < 0:",
        cores.test_the_cortex_m33_faults_on_a_frame_below_its_stack_limit_before_the_exception,
    ),
    "secure floating-point state is not restored": (
        "core.py",
        "(_FPCA if with_fp else 0) | secure)",
        "0)",
        lambda: cores.test_floating_point_state_survives_a_handler_that_uses_it("nrf5340dk"),
    ),
    "DebugMonitor runs without SDME": (
        "system/debug.py",
        " and (self.secure is None or self.secure_debug)",
        "",
        lambda: table.test_debug_behaviour(row("without secure debug (SDME 0)"), "nrf5340dk"),
    ),
    "a debugger does not take precedence": (
        "core.py",
        "        if debugger:\n",
        "        if False:\n",
        lambda: table.test_debug_behaviour(row("with a debugger attached a match"), "stm32l475"),
    ),
    "a remapped word is not put back": (
        "breakpoints.py",
        "        for word, old in saved:",
        "        for word, old in []:",
        lambda: table.test_debug_behaviour(row("revision 1 remaps"), "stm32l475"),
    ),
    "flash is programmed twice": (
        "devices/stm32_flash.py",
        'if any(data) and self.bus.flash.read(address, _UNIT) != b"\\xff" * _UNIT:',
        "if False:",
        lambda: cores.test_stm32_flash_takes_double_words_once_and_says_what_it_refused("stm32l475", 1, 0),
    ),
    "torn double words read like others": (
        "flash.py",
        "self.torn.add(offset + start)",
        "pass",
        lambda: cores.test_reading_a_torn_double_word_raises_nmi_under_either_address("nucleo_g0b1re"),
    ),
    "the Cortex-M0 has fault registers": (
        "core.py",
        'self.v7m = "m0" not in core',
        "self.v7m = True",
        lambda: cores.test_an_undefined_instruction_becomes_a_hard_fault("nucleo_g0b1re"),
    ),
    "a masked match is ignored by every chip": (
        "breakpoints.py",
        'facts.masked_match == "ignored"',
        "bool(facts.masked_match)",
        m4.test_a_masked_breakpoint_becomes_a_hard_fault_with_debugevt,
    ),
}  # fmt: skip


def seed(monkeypatch, path, old, new):
    """Classes and functions of the changed module replace the good ones wherever they were imported."""
    name = f"patchctl.emulator.{path.removesuffix('.py').replace('/', '.')}"
    good = sys.modules[name]
    text = spoiled((PACKAGE / path).read_text(), (old, new), of=path)
    bad = types.ModuleType(name)
    bad.__file__ = good.__file__
    monkeypatch.setitem(sys.modules, name, bad)
    exec(compile(text, str(PACKAGE / path), "exec"), bad.__dict__)
    users = [
        module for key, module in list(sys.modules.items())
        if key.startswith(("patchctl.emulator", "test_emulator", "emulator_boards")) and module is not bad
    ]  # fmt: skip
    kinds = (type, types.FunctionType)
    for key, value in list(vars(good).items()):
        if isinstance(value, kinds) and value.__module__ == name and not issubclass_of_enum(value):
            for module in users:
                for attribute, held in list(vars(module).items()):
                    if held is value and module is not good:
                        monkeypatch.setattr(module, attribute, vars(bad)[key])
            for model, held in list(devices.MODELS.items()):
                if held is value:
                    monkeypatch.setitem(devices.MODELS, model, vars(bad)[key])


def issubclass_of_enum(value):
    """Enums and error classes are compared by identity everywhere: they stay."""
    return isinstance(value, type) and value.__name__ in {"Reason", "PowerCut", "Stop"}


@pytest.mark.parametrize("bug", MUTATIONS)
def test_a_seeded_bug_is_caught_by_its_test(monkeypatch, bug):
    path, old, new, check = MUTATIONS[bug]
    check()
    seed(monkeypatch, path, old, new)
    with pytest.raises(FAILURES):
        check()
