"""Line information: instruction to line, column and text."""

import pytest
from patchctl.btf import line_table
from patchctl.elf import parse_elf
from patchctl.errors import InputError
from patchctl.source import compile_source

SOURCE = """#include <hotpatch/patch.h>
HP_PATCH(p)
{
    if (hp_firmware_u32(context->r[0]) == 7) {
        return hp_return(1);
    }
    return hp_pass();
}
"""


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    source = tmp_path_factory.mktemp("btf") / "patch.c"
    source.write_text(SOURCE)
    elf = parse_elf(compile_source(source), "patch.o")
    return elf.section(".BTF").data, elf.section(".BTF.ext").data


def test_first_instruction_belongs_to_the_line_that_reads_the_argument(sections):
    table = line_table(*sections, "patch.o")

    lines = table["hotpatch"]
    assert lines[0].line in (2, 4)
    texts = {line.line: line.text for line in lines.values()}
    assert texts[4] == "    if (hp_firmware_u32(context->r[0]) == 7) {"
    assert all(line.file.endswith(("patch.c", "patch.h")) for line in lines.values())
    assert "patch.c:4:" in str(next(line for line in lines.values() if line.line == 4))


@pytest.mark.parametrize("which", [0, 1])
def test_wrong_magic_number_is_refused(sections, which):
    broken = [bytearray(section) for section in sections]
    broken[which][0] ^= 1

    with pytest.raises(InputError) as refusal:
        line_table(bytes(broken[0]), bytes(broken[1]), "patch.o")

    assert "wrong magic number" in refusal.value.what


def test_every_truncation_is_refused(sections):
    btf, extension = sections
    for size in range(0, len(extension) - 1, 5):
        with pytest.raises(InputError):
            line_table(btf, extension[:size], "patch.o")
    for size in range(0, 24):
        with pytest.raises(InputError):
            line_table(btf[:size], extension, "patch.o")
