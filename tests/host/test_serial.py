"""A board behind a serial port: a pseudo-terminal plays the port."""

from __future__ import annotations

import os
import pty
import socket
import threading
import tty

import pytest
from patchctl.client import connect
from patchctl.contract import PatchState
from patchctl.errors import LinkError, UsageError
from patchctl.link import link_for
from patchctl.package.archive import Archive

from tests.host import samples
from tests.host.fake_board import FakeBoard


@pytest.fixture
def port():
    """(path of a port, descriptor of its other end)."""
    far, near = pty.openpty()
    tty.setraw(near)
    yield os.ttyname(near), far
    os.close(near)
    os.close(far)


@pytest.fixture
def board_behind_port(port):
    """A FakeBoard served on the far end by a thread that ends with the test."""
    path, far = port
    board = FakeBoard(samples.KEY.public)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        import select

        while True:
            ready, _, _ = select.select([far, stop_read], [], [])
            if stop_read in ready:
                return
            board.write(os.read(far, 4096))
            os.write(far, board.read(0.0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    os.write(stop_write, b"x")
    thread.join()
    os.close(stop_read)
    os.close(stop_write)


def test_a_patch_is_pushed_over_a_serial_port(board_behind_port, tmp_path):
    with connect(f"serial:{board_behind_port}", archive=Archive(tmp_path)) as device:
        report = device.push(samples.install(), undo=samples.undo())
        device.write_console(b"hello")
        heard = device.read_console_until(b"HELLO", limit_s=5.0)

    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    assert heard == b"HELLO"


def test_a_port_that_does_not_exist_is_named():
    with pytest.raises(LinkError) as failure:
        link_for("serial:/dev/ttyNOPE")

    assert failure.value.line().startswith("serial:/dev/ttyNOPE: no such port (")


def test_a_port_that_is_taken_is_named_and_free_again_after_close(port):
    path, _ = port
    first = link_for(f"serial:{path}")

    with pytest.raises(LinkError, match="taken by another program"):
        link_for(f"serial:{path}")

    first.close()
    link_for(f"serial:{path}").close()


def test_a_file_that_is_no_port_is_named(tmp_path):
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(LinkError, match="does not open"):
        link_for(f"serial:{path}")


def test_a_tcp_port_is_a_port_too(tmp_path):
    board = FakeBoard(samples.KEY.public)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, number = server.getsockname()

        def serve() -> None:
            client, _ = server.accept()
            with client:
                while data := client.recv(4096):
                    board.write(data)
                    client.sendall(board.read(0.0))

        thread = threading.Thread(target=serve)
        thread.start()
        with connect(f"serial:socket://{host}:{number}", archive=Archive(tmp_path)) as device:
            state = device.push(samples.install()).state
        thread.join()

    assert state is PatchState.UPDATED


def test_a_tcp_port_where_nobody_listens_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]

    with pytest.raises(LinkError, match="nobody answers there"):
        link_for(f"serial:socket://127.0.0.1:{number}")


@pytest.mark.parametrize(
    "selector", ["", "serial", "serial:", "usb:1", "serial:/dev/null?speed=1", "serial:/dev/null?baud=fast"]
)
def test_a_selector_that_names_nothing_is_a_usage_error(selector):
    with pytest.raises(UsageError):
        link_for(selector)
