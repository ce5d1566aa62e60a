"""Patches with sub-programs and with metered loops on the emulated board."""

import shutil

import pytest
from patchctl.contract import Counter, Fault
from patchctl.errors import PatchRejected
from patchctl.pipeline import build_patch

from tests.end_to_end.conftest import PATCH
from tests.spoiling import spoiled

REPAIRED = "ImportError: not a module\r\n>>> "


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(PATCH, tmp_path / "import_all")


def change(path, *pairs):
    path.write_text(spoiled(path.read_text(), *pairs, of=path.name))


def test_helper_functions_that_are_not_inlined_run_as_sub_programs(bench, copied, facts, firmware, seal):
    change(
        copied / "patch.c",
        ("HP_INLINE int is_pointer", "static __attribute__((noinline)) int is_pointer"),
        ("HP_INLINE u32 type_of", "static __attribute__((noinline)) u32 type_of"),
        (
            "return hp_firmware_u32(object);",
            "volatile u32 own[4] = {0, 0, hp_firmware_u32(object), 0}; return own[(object & 1) | 2];",
        ),
        (
            "const u32 module = context->r[0];",
            "volatile u32 kept[2] = {context->r[0], 0}; const u32 module = kept[0];",
        ),
        ("if (is_pointer(module)", "if (kept[1] == 0 && is_pointer(module)"),
    )
    patch = build_patch(copied, facts, firmware)

    bench.device.push(seal(patch)[0])

    assert patch.programs[0].frame_bytes >= 8
    assert patch.programs[0].stack_bytes >= patch.programs[0].frame_bytes + 16
    assert bench.console.line("from json import *") == ""
    assert bench.hits() == 1
    assert bench.attack().endswith(REPAIRED)
    assert bench.device.patch("import_all").last_fault == Fault.NONE
    assert bench.machine.faults == []


def test_metered_patch_is_ended_by_its_fuel_with_the_safe_verdict(bench, copied, facts, firmware, seal):
    loop = 'for (u32 n = 0; n != context->r[0] + 1; n++) { __asm__ volatile("" : "+r"(n)); }'
    change(copied / "patch.c", ("    context->r[0] =", f"    {loop}\n    context->r[0] ="))
    with pytest.raises(PatchRejected) as refusal:
        build_patch(copied, facts, firmware)
    assert "[site] metered = true" in refusal.value.hint
    change(
        copied / "patch.toml",
        ("sequence = 1", "sequence = 1\nfuel = 2000"),
        ("[site]", "[site]\nmetered = true"),
    )
    patch = build_patch(copied, facts, firmware)

    bench.device.push(seal(patch)[0])

    assert patch.programs[0].metered
    assert bench.console.line("from json import *") == ""
    assert bench.device.counters()[Counter.FAULTS_FUEL] == 0
    bench.console.line("import sys; sys.modules['m'] = 0x8000000")
    assert bench.console.line("from m import *").endswith("ImportError: not a module")
    assert bench.device.counters()[Counter.FAULTS_FUEL] == 1
