"""`patchctl sim run`: how to reach the board is said first; the name of its line goes away with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="emulated boards need unicorn: pip install 'patchctl[sim]'")

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

    monkeypatch.setattr(emulated, "build_machine", lambda selector: seen.append(selector) or _Machine())
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
