"""`patchctl sim run`: how to reach the board is said first; the name of its line goes away with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="emulated boards need unicorn: pip install 'patchctl[sim]'")

from emulator_boards import firmware
from patchctl.board import load_board
from patchctl.cli import main as command_line
from patchctl.cli.main import main
from patchctl.emulator import terminal
from patchctl.link import emulated


class _Machine:
    """A board that nobody runs: the line's loop is replaced too."""

    faults = ()


@pytest.fixture
def lines(monkeypatch):
    """What the board's loop was given, once it has been interrupted."""
    seen = []

    def interrupted(machine, line, stop, clock, advance=None) -> None:
        seen.append((machine, line.path, stop()))
        raise KeyboardInterrupt

    monkeypatch.setattr(
        emulated, "powered", lambda selector: nullcontext(seen.append(selector) or _Machine())
    )
    monkeypatch.setattr(terminal, "run_line", interrupted)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    return seen


def test_the_pseudo_terminal_is_said_and_linked_while_the_board_runs(lines, tmp_path, capsys):
    link = tmp_path / "board"
    link.symlink_to("stale")

    exit_code = main(["sim", "run", "nrf52840dk", "--flash", "f.bin", "--pty-link", str(link), "--json"])

    first, *_, last = (json.loads(row) for row in capsys.readouterr().out.splitlines())
    selector, (machine, path, stopped) = lines
    assert (exit_code, last) == (130, {"type": "result", "exit": 130})
    assert first == {"type": "line", "path": str(link), "selector": f"serial:{link}"}
    assert (selector.board.name, selector.flash) == ("nrf52840dk", Path("f.bin"))
    assert (isinstance(machine, _Machine), path.startswith("/dev/"), stopped) == (True, True, False)
    assert not link.is_symlink()


def test_a_tcp_port_is_said_as_a_selector(lines, capsys):
    main(["sim", "run", "nrf52840dk", "--tcp", "0"])

    assert capsys.readouterr().out.splitlines()[0].startswith("serial:socket://127.0.0.1:")


def test_a_file_is_not_replaced_by_a_link(lines, tmp_path, capsys):
    path = tmp_path / "precious"
    path.touch()

    assert main(["sim", "run", "nrf52840dk", "--pty-link", str(path)]) == 8

    assert "cannot make the link: File exists" in capsys.readouterr().err
    assert path.is_file()


def test_a_board_that_does_not_exist_is_exit_3(capsys):
    assert main(["sim", "run", "nrf52840"]) == 3

    assert "did you mean 'nrf52840dk'?" in capsys.readouterr().err


def test_a_link_that_another_board_has_taken_over_is_left_alone(lines, tmp_path, monkeypatch):
    link = tmp_path / "board"

    def taken_over(*_) -> None:
        link.unlink()
        link.symlink_to("/dev/another")
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "run_line", taken_over)

    assert main(["sim", "run", "nrf52840dk", "--pty-link", str(link)]) == 130

    assert str(link.readlink()) == "/dev/another"


@pytest.mark.parametrize("option", ["--tcp", "--gdb"])
@pytest.mark.parametrize("port", ["65536", "-1", ":", "http", "1.5"])
def test_what_is_no_port_is_a_usage_error(lines, option, port, capsys):
    assert main(["sim", "run", "nrf52840dk", option, port]) == 2

    assert "is no TCP port: 0 (any free one) to 65535" in capsys.readouterr().err
    assert lines == []


@pytest.mark.parametrize("port", ["0", ":0"])
def test_a_port_may_have_a_colon(lines, port, capsys):
    assert main(["sim", "run", "nrf52840dk", "--gdb", port, "--json"]) == 130

    events = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [event["type"] for event in events[:2]] == ["line", "gdb"]


@pytest.mark.parametrize("option", ["--tcp", "--gdb"])
def test_an_occupied_port_is_said_before_anything_else(lines, option, tmp_path, capsys):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = str(server.getsockname()[1])
        link = ["--pty-link", str(tmp_path / "link")]
        assert main(["sim", "run", "nrf52840dk", *link, option, port]) == 8

    said = capsys.readouterr()
    assert (said.out, f"cannot listen on port {port}" in said.err) == ("", True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def echo(tmp_path):
    """The path of a firmware that no class identifier ties to a board."""
    path = tmp_path / "echo.elf"
    path.write_bytes(firmware("echo"))
    return path


@pytest.fixture
def interrupted(monkeypatch):
    """A real board's loop is interrupted at once: what to do meanwhile, and what that gave."""
    meanwhile, seen = [], []
    monkeypatch.setattr("signal.signal", lambda number, handler: None)

    def loop(*_) -> None:
        seen.extend([action() for action in list(meanwhile)])
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "run_line", loop)
    return meanwhile, seen


def run_echo(echo, *arguments):
    return main(["sim", "run", "nrf52840dk", "--image", str(echo), *map(str, arguments)])


def list_echo(echo, flash):
    return main(["list", "--to", f"sim:nrf52840dk?image={echo}&flash={flash}"])


@pytest.mark.parametrize("exists", [False, True], ids=["new file", "file of another run"])
@pytest.mark.parametrize(
    "second_command", [lambda echo, flash: run_echo(echo, "--flash", flash), list_echo], ids=["run", "list"]
)
def test_a_second_board_on_the_same_flash_file_is_refused_until_the_first_ends(
    interrupted, echo, tmp_path, capsys, second_command, exists
):
    meanwhile, seen = interrupted
    flash = tmp_path / "flash.bin"
    if exists:
        assert run_echo(echo, "--flash", flash) == 130
    assert flash.exists() is exists

    def second() -> int:
        meanwhile.clear()
        return second_command(echo, flash)

    meanwhile.append(second)
    assert run_echo(echo, "--flash", flash) == 130

    assert seen == [8]
    assert "another emulated board runs on this flash (end it, or give each" in capsys.readouterr().err
    assert meanwhile == []
    assert run_echo(echo, "--flash", flash) == 130


def test_two_boards_at_once_with_flash_of_their_own_run(interrupted, echo, tmp_path):
    meanwhile, seen = interrupted

    def second() -> int:
        meanwhile.clear()
        return run_echo(echo, "--flash", tmp_path / "b")

    meanwhile.append(second)

    assert run_echo(echo, "--flash", tmp_path / "a") == 130
    assert seen == [130]


def test_flash_that_cannot_be_kept_there_is_said(interrupted, echo, tmp_path, capsys):
    assert run_echo(echo, "--flash", tmp_path / "absent" / "flash.bin") == 4

    assert "cannot keep the flash here: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["folder", "/dev/null"])
def test_flash_that_is_no_file_is_refused_and_left_alone(interrupted, echo, tmp_path, where, capsys):
    (tmp_path / "folder").mkdir()
    place = tmp_path / where  # /dev/null stays itself

    assert run_echo(echo, "--flash", place) == 4

    said = capsys.readouterr().err
    assert f"{place}: cannot keep the flash here: this is no file" in said
    assert "delete" not in said
    assert place.exists()


def test_an_image_that_is_no_elf_file_is_named(interrupted, tmp_path, capsys):
    image = tmp_path / "keys.hex"
    image.write_text(":00000001FF\n")

    assert run_echo(image, "--flash", tmp_path / "flash.bin") == 4

    assert f"{image}: this is no ELF file" in capsys.readouterr().err


def test_the_firmware_of_another_board_is_exit_7_and_the_board_s_own_runs(interrupted, tmp_path, capsys):
    image = tmp_path / "image.elf"
    image.write_bytes(firmware("echo") + load_board("nrf5340dk").class_id)
    assert run_echo(image) == 7
    assert "this firmware is for nrf5340dk, not for nrf52840dk (build it with" in capsys.readouterr().err

    image.write_bytes(firmware("echo") + load_board("nrf52840dk").class_id)
    assert run_echo(image) == 130


def test_ctrl_c_while_the_command_line_is_still_being_made_is_exit_130(monkeypatch, capsys):
    def pressed(_app) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.typer.main, "get_command", pressed)

    assert main(["sim", "run", "nrf52840dk"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_reader_may_vanish_and_a_signal_ends_the_board(echo, tmp_path, number, exit_code):
    link = tmp_path / "line"
    command = [sys.executable, "-m", "patchctl", "sim", "run", "nrf52840dk", "--image", str(echo)]
    host = str(Path(__file__).resolve().parents[2] / "host")
    with subprocess.Popen(
        [*command, "--pty-link", str(link)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": host},
    ) as board:  # fmt: skip
        assert board.stdout.readline() == f"serial:{link}\n"
        for byte in (b"a", b"b"):
            reader = os.open(link, os.O_RDWR | os.O_NOCTTY)
            os.write(reader, byte * 100)
            heard = b""
            while bytes([byte[0] + 1]) not in heard:
                heard += os.read(reader, 1)
            os.close(reader)  # with output on its way
        board.send_signal(number)
        assert board.wait(timeout=60) == exit_code
    assert not link.is_symlink()
