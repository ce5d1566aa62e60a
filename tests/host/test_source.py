"""The compiler behind source.py: what it makes, and how its errors are told."""

import pytest
from patchctl.elf import MACHINE_BPF, parse_elf
from patchctl.errors import InputError
from patchctl.source import compile_source

PASSES = "#include <hotpatch/patch.h>\nHP_PATCH(nothing) { return hp_pass(); }\n"


def written(folder, text):
    path = folder / "patch.c"
    path.write_text(text)
    return path


def test_patch_becomes_an_object_with_line_information(tmp_path):
    elf = parse_elf(compile_source(written(tmp_path, PASSES)), "patch.o")

    assert elf.machine == MACHINE_BPF
    assert elf.section("hotpatch").bytes == 16
    assert elf.section(".BTF.ext").bytes > 0


def test_generated_header_is_included_first(tmp_path):
    source = written(tmp_path, "#include <hotpatch/patch.h>\nHP_PATCH(p) { return hp_redirect(HP_TO_x); }\n")

    assert compile_source(source, "#define HP_TO_x 3u\n")
    with pytest.raises(InputError) as refusal:
        compile_source(source)

    assert "HP_TO_x" in refusal.value.what


def test_same_source_in_two_folders_gives_the_same_code(tmp_path):
    objects = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        objects.append(parse_elf(compile_source(written(tmp_path / name, PASSES)), name))

    assert objects[0].section("hotpatch").data == objects[1].section("hotpatch").data


def test_compile_error_carries_its_place_and_counts_the_others(tmp_path):
    source = written(tmp_path, "#include <hotpatch/patch.h>\nHP_PATCH(bad) { return first + second; }\n")

    with pytest.raises(InputError) as refusal:
        compile_source(source)

    assert refusal.value.what == "use of undeclared identifier 'first'"
    assert refusal.value.where == f"{source}:2:24"
    assert refusal.value.hint == "and 1 more"


def test_too_much_stack_is_a_located_error_of_the_compiler(tmp_path):
    body = "volatile u8 big[600]; big[context->r[0] & 255] = 1; return hp_pass() + big[3];"
    source = written(tmp_path, f"#include <hotpatch/patch.h>\nHP_PATCH(deep) {{ {body} }}\n")

    with pytest.raises(InputError) as refusal:
        compile_source(source)

    assert "stack" in refusal.value.what.lower()


def test_what_clang_has_no_instruction_for_is_told_by_its_error(tmp_path):
    source = tmp_path / "patch.c"
    text = "unsigned m;\nunsigned f(void) {{ return __atomic_fetch_{name}(&m, 3, __ATOMIC_SEQ_CST); }}\n"
    source.write_text(text.format(name="max"))

    with pytest.raises(InputError) as refusal:
        compile_source(source)
    source.write_text(text.format(name="add"))

    assert "error in backend: Cannot select" in refusal.value.what
    assert compile_source(source).startswith(b"\x7fELF")


def test_missing_source_is_refused(tmp_path):
    with pytest.raises(InputError) as refusal:
        compile_source(tmp_path / "patch.c")

    assert refusal.value.what == "there is no such file"


def test_missing_compiler_is_refused(tmp_path):
    with pytest.raises(InputError) as refusal:
        compile_source(written(tmp_path, PASSES), cc="no-such-clang")

    assert refusal.value.what == "there is no compiler 'no-such-clang'"


@pytest.mark.parametrize(
    ("says", "told"),
    [("clang version 18.1.0", "is clang 18"), ("gcc (Debian) 12.2.0", "is no clang")],
)
def test_compiler_that_is_too_old_or_another_one_is_refused(tmp_path, says, told):
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\necho '{says}'\n")
    compiler.chmod(0o755)

    with pytest.raises(InputError) as refusal:
        compile_source(written(tmp_path, PASSES), cc=str(compiler))

    assert told in refusal.value.what


def test_compiler_that_is_new_enough_is_used(tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo "clang version 19.1.7" && exit 0\n'
        'while [ "$1" != -o ]; do shift; done\nprintf made > "$2"\n'
    )
    compiler.chmod(0o755)

    assert compile_source(written(tmp_path, PASSES), cc=str(compiler)) == b"made"
