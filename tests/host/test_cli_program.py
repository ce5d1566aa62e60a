"""`patchctl asm`, `disasm` and `run`: text to bytes and back, C lines, traces, and errors in one line."""

from __future__ import annotations

import json

import pytest
from patchctl.cli.main import main

TEXT = "r0 = *(u32 *)(r1 + 0x4)\nif r0 > 0x10 goto +0x1\nr0 = 0x0\nexit\n"
SOURCE = """
#include <hotpatch/patch.h>

HP_PATCH(limit)
{
    if (context->r[1] > 16) {
        context->r[1] = 16;
        return hp_change();
    }
    return hp_pass();
}
"""


KEEPING = """
#include <hotpatch/patch.h>

static const u16 table[2] = {3, 5};
static u32 left = 2;
u32 seen;
u8 last[8];

HP_PATCH(limit)
{
    seen += table[context->r[0] & 1];
    last[5] = (u8)context->r[1];
    left -= 1;
    return hp_return(left);
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.txt").write_text(TEXT)
    (tmp_path / "input.bin").write_bytes(bytes(4) + (99).to_bytes(4, "little") + bytes(60))
    return tmp_path


def made(folder, text: str = TEXT):
    (folder / "other.txt").write_text(text)
    assert main(["asm", "other.txt", "-o", "program.bin"]) == 0
    return folder / "program.bin"


def compiled(folder, source):
    pytest.importorskip("ziglang", reason="eBPF code needs a compiler: pip install 'patchctl[cc]'")
    from patchctl.source import compile_source

    (folder / "patch.c").write_text(source)
    (folder / "patch.o").write_bytes(compile_source(folder / "patch.c"))
    return "patch.o"


@pytest.fixture
def object_file(folder):
    return compiled(folder, SOURCE)


@pytest.fixture
def keeping_file(folder):
    return compiled(folder, KEEPING)


def test_text_becomes_bytes_and_bytes_become_the_same_text(folder, capsys):
    assert main(["asm", "program.txt"]) == 0
    assert "61 10 04 00 00 00 00 00" in capsys.readouterr().out

    made(folder)
    capsys.readouterr()
    assert main(["disasm", "program.bin"]) == 0
    lines = [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == TEXT.splitlines()


def test_json_has_the_code_and_every_instruction(folder, capsys):
    assert main(["asm", "program.txt", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["bytes"] == 32
    assert bytes.fromhex(events[0]["code"])[24] == 0x95
    made(folder)
    capsys.readouterr()

    assert main(["disasm", "program.bin", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["text"] for event in events if event["type"] == "instruction"] == TEXT.splitlines()


def test_run_gives_the_result_of_the_context_in_the_file(folder, capsys):
    made(folder)
    capsys.readouterr()

    assert main(["run", "program.bin", "--input", "input.bin"]) == 0

    assert "r0 = 0x63" in capsys.readouterr().out


def test_trace_prints_every_instruction_and_what_it_changed(folder, capsys):
    made(folder)
    capsys.readouterr()

    assert main(["run", "program.bin", "--input", "input.bin", "--trace"]) == 0

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    first = lines.index("0: r0 = *(u32 *)(r1 + 0x4)")
    assert lines[first + 1] == "r0 = 0x63"
    assert "2: r0 = 0x0" not in lines


def test_object_shows_its_c_lines_in_text_and_in_a_trace(object_file, capsys):
    assert main(["disasm", object_file]) == 0
    text = capsys.readouterr().out
    assert main(["run", object_file, "--input", "input.bin", "--trace"]) == 0
    trace = capsys.readouterr().out

    for said in (text, trace):
        assert "patch.c:6: if (context->r[1] > 16) {" in said
    assert "verdict change" in trace
    assert "context r1: 0x63 -> 0x10" in trace


def test_run_prints_the_variables_that_it_changed_and_no_others(keeping_file, capsys):
    assert main(["run", keeping_file, "--input", "input.bin"]) == 0

    lines = capsys.readouterr().out.splitlines()
    changes = dict(line.split(": ", 1) for line in lines if line.startswith("variable"))
    assert changes.pop("variable byte 0") == "0x2 -> 0x1"  # left, which starts as something, lies first
    assert sorted(changes.values()) == ["0x0 -> 0x3", "0x0 -> 0x6300"]  # seen, and the word of last[5]
    assert all(int(name.removeprefix("variable byte ")) in range(8, 24, 4) for name in changes)
    assert any("verdict return with 0x1" in line for line in lines)
    assert not [line for line in lines if line.startswith("context")]


def test_every_run_starts_with_the_initial_values(keeping_file, capsys):
    assert main(["run", keeping_file, "--input", "input.bin"]) == 0
    first = capsys.readouterr().out
    assert main(["run", keeping_file, "--input", "input.bin"]) == 0

    assert capsys.readouterr().out == first


def test_run_of_a_program_without_variables_prints_none(object_file, capsys):
    assert main(["run", object_file, "--input", "input.bin"]) == 0

    said = capsys.readouterr().out
    assert "context r1: 0x63 -> 0x10" in said
    assert "variable" not in said


def test_disasm_tells_variables_from_constants(keeping_file, capsys):
    assert main(["disasm", keeping_file]) == 0

    text = capsys.readouterr().out
    assert "= map[idx:0x0]+0x0" in text  # table
    assert "= map[idx:0x1]+0x0" in text  # left
    assert "= map[idx:0x1]+0x8" in text  # behind the initial values
    assert "patch.c:12: last[5] = (u8)context->r[1];" in text


REFERRING = (
    "r2 = map[idx:0x1]+0x0",
    "r3 = map[idx:0x1]+0xfff8",
    "r4 = map[idx:0x0]+0x4",
    "r5 = 0x1",
    "r5 = atomic_fetch_add((u64 *)(r2 + 0x0), r5)",
    "if r5 == 0x0 goto +0x2",
    "r3 = map[idx:0x1]+0x10",
    "r0 = 0x0",
    "exit",
)


def test_text_about_variables_and_constants_comes_back_from_its_bytes(folder, capsys):
    code = made(folder, "\n".join(REFERRING)).read_bytes()
    assert code[:16] == bytes.fromhex("18620000010000000000000000000000")
    capsys.readouterr()

    assert main(["disasm", "program.bin"]) == 0

    lines = [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == list(REFERRING)
    assert made(folder, "\n".join(lines)).read_bytes() == code


def test_what_an_object_prints_becomes_its_code_again(keeping_file, folder, capsys):
    from patchctl.program import load_program

    assert main(["disasm", keeping_file]) == 0
    printed = [line.strip().split(": ", 1) for line in capsys.readouterr().out.splitlines()]
    text = "\n".join(line[1] for line in printed if line[0].isdigit())

    assert made(folder, text).read_bytes() == load_program((folder / keeping_file).read_bytes(), "").code


def test_text_about_a_third_section_is_refused_and_about_the_second_read(folder, capsys):
    (folder / "bad.txt").write_text("r2 = map[idx:2]+0\nr0 = 0\nexit")

    assert main(["asm", "bad.txt", "-o", "bad.bin"]) == 4

    assert "bad.txt: instruction 0" in capsys.readouterr().err
    assert not (folder / "bad.bin").exists()
    assert made(folder, "r2 = map[idx:1]+0\nr0 = 0\nexit").exists()


def test_raw_code_has_no_variables_to_run_with(folder, capsys):
    made(folder, "r2 = map[idx:1]+0\nr0 = 0\nexit")
    assert main(["run", "program.bin", "--input", "input.bin"]) == 4
    assert "program.bin: instruction 0" in capsys.readouterr().err

    made(folder, "r2 = 0\nr0 = 0\nexit")
    assert main(["run", "program.bin", "--input", "input.bin"]) == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("r0 = *(u64 *)(r1 + 61)\nexit", "memory"),
        ("again:\ngoto again", "fuel"),
        ("r6 = 9\ncallx r6\nexit", "call"),
        ("again:\ncall again\nexit", "depth"),
    ],
)
def test_run_that_ends_by_a_fault_says_where_and_why(folder, capsys, text, fault):
    made(folder, text)
    capsys.readouterr()

    assert main(["run", "program.bin", "--input", "input.bin", "--fuel", "1000"]) == 4

    said = capsys.readouterr().err
    assert "program.bin: instruction" in said
    assert f"by fault {fault}" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("r0 = banana\nexit", "this is no instruction"),
        ("r10 = 1\nexit", "r10"),
        ("r0 = 1", "instruction 0"),
        ("r0 = 1\ngoto +5\nexit", "instruction 1"),
        ("call 31\nexit", "instruction 0"),
    ],
)
def test_text_that_the_board_would_refuse_is_refused_with_its_place(folder, capsys, text, told):
    (folder / "bad.txt").write_text(text)

    assert main(["asm", "bad.txt", "-o", "bad.bin"]) == 4

    said = capsys.readouterr().err
    assert "bad.txt: " in said
    assert told in said
    assert not (folder / "bad.bin").exists()


@pytest.mark.parametrize("content", [b"", b"\x95", b"\xff" * 8, b"\x7fELF and nothing more"])
def test_file_that_is_no_program_is_refused(folder, capsys, content):
    (folder / "bad.bin").write_bytes(content)

    assert main(["disasm", "bad.bin"]) == 4
    assert main(["run", "bad.bin", "--input", "input.bin"]) == 4

    assert capsys.readouterr().err.count("bad.bin") >= 2


def test_files_that_are_not_there_are_named(folder, capsys):
    made(folder)

    assert main(["disasm", "absent.o"]) == 4
    assert main(["run", "program.bin", "--input", "absent.bin"]) == 4
    assert main(["asm", "program.bin"]) == 4
    assert main(["asm", "program.txt", "-o", "absent/program.bin"]) == 4

    said = capsys.readouterr().err
    assert "absent.o" in said
    assert "absent.bin" in said
