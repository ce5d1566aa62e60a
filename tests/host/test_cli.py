"""The command line: verbs, exit codes, one-line errors and JSON, against a board in memory."""

from __future__ import annotations

import json
import os
import pty
import stat
import termios

import pytest
from patchctl.cli.main import main
from patchctl.contract import STATUS_TEXT, PatchState, Status
from patchctl.link import selector
from patchctl.package import keypage
from patchctl.package.signing import load_public_key

from tests.host import samples
from tests.host.fake_board import FakeBoard

TO = ["--to", "fake:board"]


@pytest.fixture
def board(monkeypatch, tmp_path):
    """A board behind `fake:board`, and an empty current folder that is the archive too."""
    board = FakeBoard(samples.KEY.public)
    monkeypatch.setitem(selector._OPENERS, "fake", lambda rest: board)
    monkeypatch.setenv("PATCHCTL_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.chdir(tmp_path)
    return board


@pytest.fixture
def container(board, tmp_path):
    """patch.suit and its undo, in the current folder."""
    (tmp_path / "patch.suit").write_bytes(samples.install())
    (tmp_path / "patch.undo.suit").write_bytes(samples.undo())
    return "patch.suit"


def _json(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_push_list_rollback_tell_the_story(board, container, capsys):
    assert main(["push", container, *TO]) == 0
    assert "import-star: armed, kept over resets (sequence 6)" in capsys.readouterr().out

    assert main(["list", *TO]) == 0
    assert "import-star  updated  yes    6" in capsys.readouterr().out

    assert main(["rollback", "import-star", *TO]) == 0
    assert "import-star: taken out (sequence 7)" in capsys.readouterr().out
    assert board.state["import-star"][3] == PatchState.UNDONE
    assert board.closed


def test_push_in_json_ends_with_a_result(board, container, capsys):
    assert main(["push", container, *TO, "--json"]) == 0

    events = _json(capsys)
    assert [event["type"] for event in events] == ["progress"] * 3 + ["pushed", "result"]
    assert events[-2]["state"] == "updated"
    assert events[-1] == {"type": "result", "exit": 0}


def test_a_refused_push_in_json_gives_error_and_exit_code(board, container, capsys):
    board.refuse = lambda data: (Status.SITE_BYTES, None)

    assert main(["--json", "push", container, *TO]) == 7

    events = _json(capsys)
    assert events[-2]["what"] == STATUS_TEXT[Status.SITE_BYTES]
    assert events[-1] == {"type": "result", "exit": 7}


@pytest.mark.parametrize("precheck", [[], ["--no-precheck"]], ids=["by the host", "by the board"])
@pytest.mark.parametrize(
    ("bad", "status", "exit_code"),
    [
        (samples.install(key=samples.OTHER_KEY), Status.BAD_SIGNATURE, 6),
        (samples.install(build_id=bytes(20)), Status.WRONG_BUILD, 7),
        (samples.install()[:-1] + b"\x01", Status.BAD_DIGEST, 9),
    ],
    ids=["foreign key", "another build", "flipped bits"],
)
def test_a_bad_container_gives_one_line_and_its_exit_code(
    board, container, tmp_path, capsys, bad, status, exit_code, precheck
):
    main(["keys", "new", "unused.pem"])
    (tmp_path / "key.pub.pem").write_bytes(samples.KEY.public.pem())
    (tmp_path / "bad.suit").write_bytes(bad)
    capsys.readouterr()

    assert main(["push", "bad.suit", *TO, "--key", "key.pub.pem", *precheck]) == exit_code

    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert STATUS_TEXT[status] in error
    assert board.state == {}


def test_a_trial_push_is_not_confirmed(board, container, capsys):
    assert main(["push", container, *TO, "--trial"]) == 0

    assert "on trial until the next reset" in capsys.readouterr().out
    assert board.state["import-star"][3] == PatchState.TRIAL


def test_a_push_without_undo_warns(board, container, tmp_path, capsys):
    (tmp_path / "patch.undo.suit").unlink()

    assert main(["push", container, *TO]) == 0

    assert "rollback will need --undo FILE" in capsys.readouterr().err


def test_the_same_push_twice_says_so(board, container, capsys):
    main(["push", container, *TO])
    capsys.readouterr()

    assert main(["push", container, *TO]) == 0

    assert "it was so before" in capsys.readouterr().out


def test_status_shows_board_and_counters(board, capsys):
    assert main(["status", *TO, "--json"]) == 0

    events = _json(capsys)
    assert events[0]["board"] == "nrf52840dk"
    assert events[0]["build_id"] == samples.BUILD_ID.hex()
    assert {"hits", "refusals"} <= {event["name"] for event in events if event["type"] == "counter"}

    assert main(["status", *TO]) == 0
    assert "8 of 8 free" in capsys.readouterr().out


def test_list_of_an_empty_board_says_so(board, capsys):
    assert main(["list", *TO]) == 0

    assert capsys.readouterr().out.strip() == "no patches"


def test_console_sends_input_that_is_no_terminal(board, capfdbinary, monkeypatch, tmp_path):
    (tmp_path / "input").write_bytes(b"print(1)\nprint(2)\n")

    with (tmp_path / "input").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["console", *TO]) == 0

    assert b"PRINT(1)\rPRINT(2)\r" in capfdbinary.readouterr().out


def test_console_at_a_terminal_passes_keys_until_ctrl_bracket(board, capfdbinary, monkeypatch):
    far, near = pty.openpty()
    typed = [b"a\x03", b"b\x1dc"]
    read = board.read

    def read_and_type(timeout_s: float) -> bytes:
        if typed:
            os.write(far, typed.pop(0))
        return read(timeout_s)

    board.read = read_and_type
    with os.fdopen(near) as stdin:
        before = termios.tcgetattr(near)
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["console", *TO]) == 0
        assert termios.tcgetattr(near) == before
    os.close(far)

    assert b"A\x03B" in capfdbinary.readouterr().out


def test_keys_new_makes_a_pair_and_never_overwrites(board, capsys, tmp_path):
    assert main(["keys", "new", "key.pem"]) == 0
    before = (tmp_path / "key.pem").read_bytes()

    assert main(["keys", "new", "key.pem"]) == 6

    assert (tmp_path / "key.pem").read_bytes() == before
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["page.hex", "page.bin"])
def test_keys_provision_makes_a_page_of_its_own_for_each_board(board, tmp_path, name):
    main(["keys", "new", "key.pem"])

    arguments = ["keys", "provision", "--board", "nrf52840dk", "--key", "key.pub.pem", "-o"]
    assert main([*arguments, name]) == 0
    assert main([*arguments, f"second.{name}"]) == 0
    assert main([*arguments, name]) == 6

    pages = [_page(tmp_path / each) for each in (name, f"second.{name}")]
    assert pages[0].public == pages[1].public == (load_public_key(tmp_path / "key.pub.pem"),)
    assert pages[0].mac_key != pages[1].mac_key


def _page(path):
    data = path.read_bytes()
    if path.suffix == ".hex":
        data = keypage.from_hex(data.decode(), samples.BOARD.keys.address)
    return keypage.decode(data)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["push", "missing.suit", *TO], 4, "missing.suit: cannot read the container"),
        (["push"], 2, "Missing argument 'CONTAINER'"),
        (["list"], 2, "Missing option '--to'"),
        (["list", "--to", "nonsense"], 2, "'nonsense' names no board"),
        (["list", "--to", "sim:nrf52840"], 3, "did you mean 'nrf52840dk'?"),
        (["list", "--to", "sim:nrf52840dk?flesh=x"], 2, "emulated boards have no option 'flesh'"),
        (["list", "--to", "sim:nrf52840dk?image=none.elf"], 4, "none.elf: cannot read"),
        (["list", "--to", "serial:/dev/ttyNOPE"], 8, "no such port"),
        (["lst"], 2, "No such command 'lst'"),
        (["rollback", "absent", *TO], 9, STATUS_TEXT[Status.NOT_FOUND]),
        (
            ["build", "x", "--board", "nrf52840dk", "--firmware", "f", "--key", "none.pem"],
            6,
            "cannot read the key",
        ),
        (["keys", "provision", "--board", "x", "--key", "k", "-o", "f"], 3, "unknown board 'x'"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_every_mistake_is_one_line_with_its_exit_code(board, capsys, arguments, exit_code, says):
    assert main(arguments) == exit_code

    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.strip().count("\n") == 0
    assert captured.out == ""


def test_a_silent_board_is_exit_8(board, capsys):
    board.deaf_for = 1000

    assert main(["status", *TO]) == 8

    assert "no answer from the board" in capsys.readouterr().err


def test_an_interrupted_push_is_exit_130_and_the_next_one_works(board, container, capsys):
    def interrupt(data: bytes) -> None:
        raise KeyboardInterrupt

    board.refuse = interrupt
    assert main(["push", container, *TO, "--json"]) == 130
    assert _json(capsys)[-1] == {"type": "result", "exit": 130}
    board.refuse = lambda data: None

    assert main(["push", container, *TO]) == 0


def test_no_arguments_show_the_verbs(capsys):
    assert main([]) == 0

    assert "rollback" in capsys.readouterr().out
