"""The whole conversation with the board's own core, the native library, at the other end of the line."""

from __future__ import annotations

import pytest
from patchctl.client import connect
from patchctl.contract import Counter, PatchState
from patchctl.errors import KeyRefused, LinkError
from patchctl.link.base import ClosesItself
from patchctl.package.archive import Archive

from tests.native import NativeDevice
from tests.runtime import containers

BITS_PER_BYTE, BAUD = 10, 115_200


class NativeLink(ClosesItself):
    """A line to a NativeDevice at 115,200 baud; its clock moves with the bytes and with whoever waits."""

    repeatable = True
    board_name = "nrf52840dk"
    name = "native:nrf52840dk"

    def __init__(self, device: NativeDevice) -> None:
        self.device = device
        self.bytes_sent = 0
        self.cut_after: int | None = None
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def read(self, timeout_s: float) -> bytes:
        if not self.device.sent:
            self._pass(timeout_s)
            self.device.poll()
        data = bytes(self.device.sent)
        self.device.sent.clear()
        return data

    def write(self, data: bytes) -> None:
        self._pass(len(data) * BITS_PER_BYTE / BAUD)
        if self.cut_after is not None:
            data = data[: max(0, self.cut_after - self.bytes_sent)]
        self.bytes_sent += len(data)
        self.device.feed(data)

    def _pass(self, duration_s: float) -> None:
        self._now_s += duration_s
        self.device.now_ms = int(self._now_s * 1000)


@pytest.fixture
def line():
    return NativeLink(containers.device())


@pytest.fixture
def archive(tmp_path):
    kept = Archive(tmp_path)
    kept.keep_key(containers.KEY.public)
    return kept


def test_identity_push_list_rollback(line, archive):
    with connect(line, archive=archive) as device:
        assert device.identity().board == "nrf52840dk"
        pushed = device.push(containers.install(), undo=containers.undo())
        again = device.push(containers.install(), undo=containers.undo())
        undone = device.rollback("sample")
        counters = device.counters()

    assert (pushed.state, pushed.armed, pushed.changed) == (PatchState.UPDATED, True, True)
    assert (again.state, again.changed) == (PatchState.UPDATED, False)
    assert (undone.state, undone.armed) == (PatchState.UNDONE, False)
    assert (counters[Counter.INSTALLS], counters[Counter.UNDOS]) == (1, 1)
    assert line.device.armed == {}
    assert device.warnings == []


def test_a_confirmed_patch_survives_a_reset_and_a_trial_does_not(line, archive):
    for confirm, armed in ((False, False), (True, True)):
        with connect(line, archive=archive) as device:
            device.push(containers.install(), confirm=confirm)
        line.device.reboot()

        assert line.device.patches()["sample"].armed is armed


@pytest.mark.parametrize("check_first", [True, False], ids=["by the host", "by the board"])
def test_a_foreign_signature_is_refused(line, archive, check_first):
    with connect(line, archive=archive) as device, pytest.raises(KeyRefused):
        device.push(containers.install(key=containers.OTHER_KEY), check_first=check_first)

    assert line.device.patches() == {}


def test_a_host_that_dies_at_any_byte_of_a_push_leaves_a_board_that_takes_the_next(line, archive):
    with connect(line, archive=archive) as device:
        device.push(containers.install(), check_first=False)
    whole = line.bytes_sent

    for cut_after in range(0, whole, 61):
        dying = NativeLink(containers.device())
        dying.cut_after = cut_after
        with connect(dying, archive=archive) as device, pytest.raises(LinkError, match="answer"):
            device.push(containers.install(), check_first=False)
        dying.cut_after = None
        with connect(dying, archive=archive) as device:
            assert device.push(containers.install()).state is PatchState.UPDATED


def test_console_and_management_share_the_line(line, archive):
    with connect(line, archive=archive) as device:
        device.identity()
        line.device.print(b"spoken during a session\n")
        during = device.read_console(0.1)
        device.write_console(b"typed")
        line.device.print(b"spoken after it\n")
        after = device.read_console(0.1)

    assert bytes(line.device.console) == b"typed"
    assert (during, after) == (b"spoken during a session\n", b"spoken after it\n")


def test_two_pushes_to_two_boards_are_the_same_bytes(archive):
    def push() -> tuple[int, float, bytes]:
        line = NativeLink(containers.device())
        with connect(line, archive=archive) as device:
            device.push(containers.install())
        return line.bytes_sent, line.now_s(), bytes(line.device.flash.buffer)

    assert push() == push()
