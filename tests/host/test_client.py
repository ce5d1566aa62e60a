"""The conversation with a board: questions, pushes, rollbacks, and what goes wrong on the way."""

from __future__ import annotations

import pytest
from patchctl.client import Device, connect
from patchctl.contract import STATUS_TEXT, Counter, PatchState, Status
from patchctl.errors import DeviceRefused, KeyRefused, LinkError, TargetMismatch
from patchctl.package.archive import Archive

from tests.host import samples
from tests.host.fake_board import FakeBoard


@pytest.fixture
def board():
    return FakeBoard(samples.KEY.public)


@pytest.fixture
def archive(tmp_path):
    kept = Archive(tmp_path)
    kept.keep_key(samples.KEY.public)
    return kept


@pytest.fixture
def device(board, archive):
    with connect(board, archive=archive) as device:
        yield device


def test_a_board_says_who_it_is_and_what_it_counted(device: Device):
    identity = device.identity()

    assert (identity.board, identity.build_id) == ("nrf52840dk", samples.BUILD_ID)
    assert identity.keys == (samples.KEY.public.fingerprint,)
    assert device.counters()[Counter.HITS] == 0
    assert device.warnings == []


def test_a_push_is_confirmed_after_read_back_and_progress_reaches_the_end(device, board):
    heard = []

    report = device.push(samples.install(), progress=lambda taken, total: heard.append((taken, total)))

    size = len(samples.install())
    assert (report.patch_id, report.sequence, report.state) == ("import-star", 6, PatchState.UPDATED)
    assert report.armed
    assert report.changed
    assert heard == [(256, size), (512, size), (size, size)]


def test_a_trial_push_is_not_confirmed(device):
    assert device.push(samples.install(), confirm=False).state is PatchState.TRIAL


def test_the_same_container_twice_is_fine_and_changes_nothing(device):
    device.push(samples.install())

    assert not device.push(samples.install()).changed


def test_two_pushes_from_the_same_start_are_the_same_bytes(archive):
    def push() -> list[bytes]:
        board = FakeBoard(samples.KEY.public)
        with connect(board, archive=archive) as device:
            device.push(samples.install())
        return board.sent

    assert push() == push()


def test_rollback_uses_the_undo_that_was_kept_at_push(device):
    device.push(samples.install(), undo=samples.undo())

    report = device.rollback("import-star")

    assert (report.state, report.sequence, report.armed) == (PatchState.UNDONE, 7, False)


def test_rollback_twice_succeeds_and_changes_nothing(device):
    device.push(samples.install(), undo=samples.undo())
    device.rollback("import-star")

    assert not device.rollback("import-star").changed


def test_rollback_without_a_kept_undo_asks_for_its_file(device):
    device.push(samples.install())

    with pytest.raises(DeviceRefused) as refusal:
        device.rollback("import-star")

    assert refusal.value.line() == (
        "import-star: no undo is kept here for this patch (give its file with --undo FILE)"
    )
    assert device.rollback("import-star", undo=samples.undo()).state is PatchState.UNDONE


def test_rollback_of_a_patch_the_board_does_not_hold_is_refused(device):
    with pytest.raises(DeviceRefused, match=STATUS_TEXT[Status.NOT_FOUND]):
        device.rollback("import-star")


def _flipped(container: bytes) -> bytes:
    return container[:-1] + bytes([container[-1] ^ 1])


@pytest.mark.parametrize(
    ("container", "error", "status"),
    [
        (samples.install(key=samples.OTHER_KEY), KeyRefused, Status.BAD_SIGNATURE),
        (samples.install(build_id=bytes(20)), TargetMismatch, Status.WRONG_BUILD),
        (_flipped(samples.install()), DeviceRefused, Status.BAD_DIGEST),
        (samples.install()[:-1], DeviceRefused, Status.TRUNCATED),
        (samples.install() + b"\0", DeviceRefused, Status.MALFORMED),
    ],
    ids=["foreign key", "another build", "flipped bit", "cut short", "trailing byte"],
)
@pytest.mark.parametrize("check_first", [True, False], ids=["by the host", "by the board"])
def test_a_bad_container_is_refused_with_the_same_text(device, board, container, error, status, check_first):
    with pytest.raises(error) as refusal:
        device.push(container, check_first=check_first)

    assert refusal.value.what == STATUS_TEXT[status]
    assert board.state == {}
    assert device.push(samples.install()).state is PatchState.UPDATED


def test_an_older_sequence_is_refused_and_a_newer_one_is_not(device):
    device.push(samples.install(4))

    with pytest.raises(DeviceRefused, match=STATUS_TEXT[Status.OLD_SEQUENCE]):
        device.push(samples.install(3))

    assert device.push(samples.install(5)).sequence == 10


def test_a_status_carries_its_detail(device, board):
    board.refuse = lambda container: (Status.SITE_BYTES, 0x1234)

    with pytest.raises(TargetMismatch) as refusal:
        device.push(samples.install())

    assert refusal.value.line() == f"fake:board: {STATUS_TEXT[Status.SITE_BYTES]} (detail 4660 (0x1234))"


def test_success_is_decided_by_read_back_and_not_by_the_answer(device, board):
    board.arms = False

    with pytest.raises(DeviceRefused, match="reads back something else"):
        device.push(samples.install())


def test_a_transfer_that_the_board_lost_is_sent_once_more(device, board):
    board.forget_at = 1

    assert device.push(samples.install()).state is PatchState.UPDATED


def test_lost_frames_are_sent_again(device, board):
    board.deaf_for = 2

    assert device.identity().board == "nrf52840dk"


def test_a_board_that_never_answers_is_named_with_what_to_try(device, board):
    board.deaf_for = 1000

    with pytest.raises(LinkError) as failure:
        device.identity()

    assert failure.value.line() == (
        "fake:board: no answer from the board"
        " (is it the right port and speed, and does the firmware have the patch runtime?)"
    )


def test_a_push_after_an_interrupted_one_succeeds(board, archive):
    class Killed(Exception):
        pass

    def kill(taken: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed), connect(board, archive=archive) as device:
        device.push(samples.install(), progress=kill)

    with connect(board, archive=archive) as device:
        assert device.push(samples.install()).state is PatchState.UPDATED


@pytest.mark.parametrize(
    ("level", "older"), [(0, "the board's runtime is older"), (2, "this patchctl is older")]
)
def test_another_contract_level_names_the_older_side(device, board, level, older):
    board.level = level

    with pytest.raises(TargetMismatch) as refusal:
        device.identity()

    assert older in refusal.value.hint


def test_another_contract_of_the_same_level_is_a_warning(device, board):
    board.contract_id = bytes(4)

    device.push(samples.install())

    assert len(device.warnings) == 1
    assert "built with contract 00000000" in device.warnings[0]


def test_a_long_list_of_patches_comes_in_blocks(device):
    for number in range(8):
        device.push(samples.install(patch_id=f"patch-{number}"))

    assert [patch.id for patch in device.patches()] == [f"patch-{number}" for number in range(8)]


def test_console_text_comes_between_frames(device, board):
    board.output += b"hello\r\n>>> "
    device.identity()
    device.write_console(b"print\xc0(1)\r")

    assert device.read_console_until(b")", limit_s=1.0) == b"hello\r\n>>> PRINT(1)\r"


def test_a_device_closes_only_the_link_it_opened(board, archive):
    with connect(board, archive=archive):
        pass

    assert not board.closed
