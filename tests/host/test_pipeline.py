"""From a patch folder to a BuiltPatch, with the patches of this repository and with broken ones."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from patchctl.contract import CONTEXT_BYTES, Fault, Verdict
from patchctl.errors import PatchRejected, TargetMismatch
from patchctl.pipeline import build_patch, verify_patch
from patchctl.program import SafeArgument
from patchctl.reference import Region, Space, run

PATCHES = Path(__file__).parents[2] / "patches"
STACK_AT, CONTEXT_AT, DATA_AT, OBJECTS_AT = 0x2000_1000, 0x2000_2000, 0x3000, 0x2000_4000


@pytest.fixture(scope="module")
def import_all(tiny_elf, some_board):
    return build_patch(PATCHES / "import_all", some_board, tiny_elf)


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(PATCHES / "import_all", tmp_path / "import_all"))


def changed(folder, name, old, new):
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def run_on(patch, argument, objects=b""):
    """Run the patch with r0 = argument; the outcome and the context's r0 and r1 afterwards."""
    context = bytearray(CONTEXT_BYTES)
    context[:4] = argument.to_bytes(4, "little")
    program = patch.programs[0]
    space = Space(
        stack=Region(STACK_AT, bytearray(program.stack_bytes)),
        context=Region(CONTEXT_AT, context),
        data=Region(DATA_AT, bytearray(patch.data)),
        readable=[Region(OBJECTS_AT, bytearray(objects))],
    )
    end = run(program.code, space, fuel=program.fuel)
    return end, int.from_bytes(context[:4], "little"), int.from_bytes(context[4:8], "little")


def test_import_all_names_site_redirect_and_safe_verdict(import_all, tiny_firmware, some_board):
    site = import_all.sites[0]

    assert (import_all.id, import_all.sequence, import_all.board) == ("import_all", 1, some_board.name)
    assert import_all.build_id == tiny_firmware.build_id
    assert site.address == tiny_firmware.function("mp_import_all", "").address
    assert site.verdicts == {Verdict.PASS, Verdict.REDIRECT}
    assert site.writable_registers == 0b11
    assert import_all.redirects[0].target == tiny_firmware.function("mp_raise_msg", "").address
    assert site.safe.arguments[0] == SafeArgument(tiny_firmware.symbol("mp_type_ImportError", "").address)
    text = import_all.data[site.safe.arguments[1].value :]
    assert text.startswith(b"not a module\0")
    assert import_all.data.count(b"not a module") == 1


def test_import_all_passes_a_module(import_all, tiny_firmware):
    module = tiny_firmware.symbol("mp_type_module", "").address.to_bytes(4, "little") + bytes(12)

    end, *_ = run_on(import_all, OBJECTS_AT, module)

    assert (end.fault, end.registers[0]) == (Fault.NONE, Verdict.PASS)


@pytest.mark.parametrize("argument", [0x55, 6, 0x18E2, 1, OBJECTS_AT + 4, OBJECTS_AT + 1])
def test_import_all_redirects_everything_else(import_all, tiny_firmware, argument):
    end, r0, r1 = run_on(import_all, argument, bytes(8))

    assert (end.fault, end.registers[0]) == (Fault.NONE, Verdict.REDIRECT)
    assert r0 == tiny_firmware.symbol("mp_type_ImportError", "").address
    assert import_all.data[r1 - DATA_AT :].startswith(b"not a module\0")


def test_import_all_faults_on_an_aligned_number_that_points_nowhere(import_all):
    end, *_ = run_on(import_all, 0x4000_0000)

    assert end.fault is Fault.MEMORY


def test_fuel_is_the_worst_case_unless_the_description_says_otherwise(
    import_all, copied, some_board, tiny_elf
):
    end, *_ = run_on(import_all, OBJECTS_AT, bytes(8))
    assert end.fuel == 0

    changed(copied, "patch.toml", "sequence = 1", "sequence = 1\nfuel = 0")
    assert build_patch(copied, some_board, tiny_elf).programs[0].fuel == 0


def test_same_folder_twice_gives_the_same_patch(import_all, copied, some_board, tiny_elf):
    assert build_patch(copied, some_board, tiny_elf) == import_all


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "patch.toml",
            'writable = ["r0", "r1"]',
            'writable = ["r0"]',
            "a write to r1, which patch.toml does not allow",
        ),
        ("patch.toml", 'verdicts = ["pass", "redirect"]', 'verdicts = ["pass"]', "a verdict that is legal"),
        ("patch.c", "hp_redirect(HP_TO_mp_raise_msg)", "hp_redirect(1)", "the redirect's index"),
        (
            "patch.c",
            "return hp_pass();",
            "*(u32 *)(u64)module = 0; return hp_pass();",
            "a write to firmware memory",
        ),
        ("patch.c", "return hp_pass();", "while (hp_firmware_u32(module)) {} return hp_pass();", "loop"),
    ],
)
def test_unsafe_change_of_the_patch_is_rejected_at_a_source_line(
    copied, some_board, tiny_elf, name, old, new, told
):
    changed(copied, name, old, new)

    with pytest.raises(PatchRejected) as refusal:
        build_patch(copied, some_board, tiny_elf)

    assert told in refusal.value.what
    assert refusal.value.where.startswith(f"{copied}/patch.c:")
    assert refusal.value.exit_code == 5


def test_rejected_patch_is_a_value_with_all_its_findings(copied, some_board, tiny_firmware):
    changed(copied, "patch.toml", 'writable = ["r0", "r1"]', "writable = []")

    verification = verify_patch(copied, some_board, tiny_firmware)

    assert verification.report.program is None
    assert sorted(finding.says for finding in verification.report.findings) == [
        "a write to r0, which patch.toml does not allow",
        "a write to r1, which patch.toml does not allow",
    ]


def test_site_in_the_runtime_is_refused(copied, some_board, tiny_elf):
    changed(copied, "patch.toml", 'function = "mp_import_all"', 'function = "hp_inner"')

    with pytest.raises(TargetMismatch) as refusal:
        build_patch(copied, some_board, tiny_elf)

    assert refusal.value.exit_code == 7


def test_site_outside_the_board_s_flash_is_refused_and_one_at_its_second_address_accepted(
    copied, some_board, tiny_elf
):
    def seen_at(address, alias):
        regions = tuple(
            replace(region, address=address, alias=alias) if region.name == some_board.flash.name else region
            for region in some_board.chip.region
        )
        return replace(some_board, chip=replace(some_board.chip, region=regions))

    with pytest.raises(TargetMismatch) as refusal:
        build_patch(copied, seen_at(0x0800_0000, -1), tiny_elf)

    assert f"outside the flash of {some_board.name}" in refusal.value.what
    assert refusal.value.where.endswith("patch.toml")
    assert build_patch(copied, seen_at(0x0800_0000, 0), tiny_elf).sites[0].function == "mp_import_all"


def test_bounded_loop_over_firmware_memory_is_accepted(copied, some_board, tiny_elf):
    loop = (
        "for (u32 i = 0; i < 8; i++) { if (hp_firmware_u32(module + 4 * i) == 0) break; } return hp_pass();"
    )
    changed(copied, "patch.c", "return hp_pass();", loop)

    assert build_patch(copied, some_board, tiny_elf).programs[0].fuel > 30


def test_firmware_is_read_into_a_buffer_by_the_helper(copied, some_board, tiny_elf):
    read = (
        "u32 words[4]; if (hp_firmware_read(words, sizeof words, module) || words[3] == 0) return hp_pass();"
    )
    changed(copied, "patch.c", "    context->r[0] =", f"    {read}\n    context->r[0] =")

    patch = build_patch(copied, some_board, tiny_elf)

    assert patch.helpers == (1,)
    assert patch.programs[0].stack_bytes == 16
