"""Stop 10 of 12. What survives: trials, confirmed patches, undone ones, and journals full of them."""

import pytest
from patchctl.contract import Counter, IdentityKey, JournalRecord, PatchState, Status, Verdict
from patchctl.package import payload as payloads
from patchctl.program import NO_VARIABLES, Variables

from tests.native import NativeDevice
from tests.runtime import containers, exchange
from tests.runtime.containers import SITE, install, patch, undo


@pytest.fixture
def device():
    return containers.device()


def state(device: NativeDevice) -> tuple[int, PatchState, bool]:
    info = device.patches()["sample"]
    return info.sequence, info.state, info.armed


def test_a_trial_is_armed_and_does_not_survive_a_reset(device):
    exchange.push(device, install())
    before = state(device)
    device.reboot()

    assert before == (2, PatchState.TRIAL, True)
    assert state(device) == (2, PatchState.REJECTED, False)
    assert device.armed == {}


def test_a_rejected_patch_may_be_pushed_again(device):
    exchange.push(device, install())
    device.reboot()

    assert exchange.push(device, install()) == Status.OK
    assert state(device) == (2, PatchState.TRIAL, True)


@pytest.mark.parametrize("by_line", [True, False])
def test_a_confirmed_patch_survives_resets_and_still_runs(device, by_line):
    exchange.push(device, install(built=patch(containers.exit_with(Verdict.RETURN, 5))))
    status = exchange.confirm(device, "sample") if by_line else device.confirm("sample")
    for _ in range(3):
        device.reboot()
    frame = device.frame(SITE)
    device.fire(SITE, frame)

    assert status == Status.OK
    assert state(device) == (2, PatchState.UPDATED, True)
    assert frame.r0_r3[0] == 5


def test_confirming_twice_is_fine_and_confirming_nothing_is_not(device):
    exchange.push(device, install())

    assert [device.confirm("sample"), device.confirm("sample")] == [Status.OK, Status.OK]
    assert device.confirm("other") == Status.NOT_FOUND
    exchange.push(device, undo())
    assert device.confirm("sample") == Status.NOT_FOUND


def test_an_undo_disarms_at_once_and_for_ever(device):
    exchange.push(device, install())
    device.confirm("sample")

    assert exchange.push(device, undo()) == Status.OK
    assert (state(device), device.armed) == ((3, PatchState.UNDONE, False), {})
    device.reboot()
    assert (state(device), device.armed) == ((3, PatchState.UNDONE, False), {})
    assert exchange.push(device, install()) == Status.OLD_SEQUENCE
    assert exchange.push(device, undo()) == Status.OK
    assert exchange.push(device, install(4)) == Status.OK


def test_an_unconfirmed_new_version_gives_way_to_the_confirmed_old_one(device):
    exchange.push(device, install(2, patch(containers.exit_with(Verdict.RETURN, 1))))
    device.confirm("sample")
    exchange.push(device, install(4, patch(containers.exit_with(Verdict.RETURN, 2))))
    running = device.frame(SITE)
    device.fire(SITE, running)
    device.reboot()
    after = device.frame(SITE)
    device.fire(SITE, after)

    assert (running.r0_r3[0], after.r0_r3[0]) == (2, 1)
    assert state(device) == (2, PatchState.UPDATED, True)
    assert exchange.push(device, install(4, patch(containers.exit_with(Verdict.RETURN, 2)))) == Status.OK


def test_a_new_version_keeps_the_trigger_of_a_site_it_shares(device):
    exchange.push(device, install())
    before = device.trigger_at(SITE)
    exchange.push(device, install(4))

    assert device.trigger_at(SITE) == before
    assert len(device.armed) == 1


@pytest.mark.parametrize("bit", range(0, 8 * len(payloads.pack(patch())), 37))
def test_a_kept_payload_with_one_wrong_bit_is_rejected_at_the_next_start(device, bit):
    exchange.push(device, install())
    device.confirm("sample")
    address = device.board.slots_address + bit // 8
    device.flash.load(address, bytes([device.flash.read(address, 1)[0] ^ 1 << bit % 8]))
    device.reboot()

    assert (state(device), device.armed) == ((2, PatchState.REJECTED, False), {})


def test_firmware_that_moved_under_a_patch_makes_it_dormant(device):
    exchange.push(device, install())
    device.confirm("sample")
    device.flash.load(SITE, bytes(8))
    device.reboot()

    assert (state(device), device.armed) == ((2, PatchState.REJECTED, False), {})


def test_the_journal_takes_far_more_changes_than_a_page_holds(device):
    per_page = device.board.flash.page_bytes // JournalRecord.BYTES
    exchange.push(
        device, install(2, patch(sites=(containers.site(containers.SECOND_SITE),)), patch_id="kept")
    )
    device.confirm("kept")
    for number in range(1, per_page):
        device.reboot()
        assert exchange.push(device, install(2 * number)) == Status.OK
        assert exchange.push(device, undo(2 * number + 1)) == Status.OK
    device.reboot()

    assert device.patches()["kept"].armed
    assert state(device) == (2 * per_page - 1, PatchState.UNDONE, False)
    assert device.flash.rising_bits == 0


def test_every_torn_record_is_passed_over_and_counted(device):
    exchange.push(device, install())
    device.confirm("sample")
    end = device.board.journal_address + 16 + 2 * JournalRecord.BYTES
    device.flash.program(end, b"\0" * 8)
    device.reboot()

    assert state(device) == (2, PatchState.UPDATED, True)
    assert device.counter(Counter.STORE_RECOVERIES) == 1
    assert exchange.push(device, undo()) == Status.OK
    device.reboot()
    assert state(device) == (3, PatchState.UNDONE, False)


def test_records_behind_a_place_that_stayed_blank_are_read(device):
    exchange.push(device, install())
    device.confirm("sample")
    start = device.board.journal_address + 16
    records = device.flash.read(start, 2 * JournalRecord.BYTES)
    device.flash.load(start, b"\xff" * JournalRecord.BYTES + records)
    device.reboot()

    assert state(device) == (2, PatchState.UPDATED, True)
    assert exchange.push(device, undo()) == Status.OK
    device.reboot()
    assert state(device) == (3, PatchState.UNDONE, False)


def test_pages_are_erased_only_while_the_host_waits_for_the_last_answer(device):
    for number in range(3):
        before = device.flash.erases.total()
        during = []
        device.on_sent = lambda during=during: during.append(device.flash.erases.total())
        container = install(2 * number, patch(data=b"x" * 3000))
        assert exchange.push(device, container) == Status.OK

        assert set(during[:-1]) == {before}
        assert device.flash.read(device.board.stage_address, 4096) == b"\xff" * 4096


def test_a_slot_that_ran_is_erased_as_soon_as_its_patch_is_out(device):
    exchange.push(device, install())
    device.fire(SITE, device.frame(SITE))
    exchange.push(device, undo())

    assert device.flash.erases[device.board.slots_address] == 1
    assert exchange.get(device, "hp/id")[IdentityKey.SLOTS_FREE] == 8


def test_a_hundred_updates_in_one_boot_all_run(device):
    values = []
    for number in range(100):
        built = patch(containers.exit_with(Verdict.RETURN, number))
        assert exchange.push(device, install(2 * number, built)) == Status.OK
        device.confirm("sample")
        frame = device.frame(SITE)
        device.fire(SITE, frame)
        values.append(frame.r0_r3[0])

    assert values == list(range(100))
    device.reboot()
    assert state(device) == (198, PatchState.UPDATED, True)


def updates_until_full(device: NativeDevice, **changes: object) -> int:
    """How many versions the board takes, each hit once and confirmed; 20 at most."""
    for number in range(20):
        if exchange.push(device, install(2 * number, patch(**changes))) != Status.OK:
            return number
        device.confirm("sample")
        device.fire(SITE, device.frame(SITE))
    return 20


def test_slots_that_somebody_may_be_inside_wait(device):
    device.quiet = lambda address, size: False
    assert updates_until_full(device) == 8
    device.quiet = lambda address, size: True
    assert exchange.push(device, install(200)) == Status.OK


def test_slots_wait_while_a_run_is_under_way(device):
    exchange.push(device, install(0))
    pushed = []

    def update() -> None:
        device.during_run = lambda: None
        pushed.extend(exchange.push(device, install(2 * number)) for number in range(1, 9))

    device.during_run = update
    device.fire(SITE, device.frame(SITE))

    assert pushed == [Status.OK] * 7 + [Status.STORE_FULL]
    assert exchange.push(device, install(16)) == Status.OK


LENDS = {
    Verdict.PASS: False,
    Verdict.SKIP: False,
    Verdict.RETURN: True,
    Verdict.REDIRECT: True,
    Verdict.CHANGE: True,
}


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize(
    ("data", "variables"),
    [(b"", NO_VARIABLES), (b"12345678", NO_VARIABLES), (b"", Variables(b"", 8)), (b"", Variables(b"1", 8))],
)
def test_a_slot_whose_data_or_variables_the_firmware_may_point_at_waits_for_a_reset(
    device, verdict, data, variables
):
    lent = (bool(data) or variables != NO_VARIABLES) and LENDS[verdict]
    code = containers.exit_with(verdict)

    assert updates_until_full(device, code=code, data=data, variables=variables) == (8 if lent else 20)
    device.reboot()
    assert exchange.push(device, install(200)) == Status.OK


def test_the_journal_remembers_so_many_patches_and_refuses_one_more(device):
    for number in range(24):
        device.reboot()
        assert exchange.push(device, install(2, patch_id=f"p{number}")) == Status.OK
        assert exchange.push(device, undo(3, patch_id=f"p{number}")) == Status.OK

    device.reboot()
    assert exchange.push(device, install(2, patch_id="more")) == Status.TOO_MANY_PATCHES
    assert exchange.push(device, install(4, patch_id="p7")) == Status.OK


def test_a_journal_that_cannot_be_made_is_told_and_the_board_still_answers():
    device = containers.device()
    device.flash.erase(device.board.journal_address)
    device.flash.cut_after(0)

    assert device.start() == Status.FLASH_FAILED
    assert exchange.push(device, install()) == Status.FLASH_FAILED
