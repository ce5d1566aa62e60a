"""Stop 11 of 12. What a hit does to the registers: every verdict, every fault, hits inside hits."""

import ctypes
import dataclasses

import pytest
from patchctl.assembly import assemble
from patchctl.contract import Counter, Fault, PatchState, Status, Verdict
from patchctl.isa import encode
from patchctl.package import payload as payloads
from patchctl.program import BuiltPatch, BuiltProgram, BuiltRedirect, SafeArgument, SafeVerdict, Variables

from tests.native import TEXT, Frame
from tests.runtime import containers, exchange
from tests.runtime.containers import REDIRECTED, SITE, exit_with, install, patch, site, undo

RUN_STACK_BYTES = 512  # HP_RUN_STACK_BYTES
ELSEWHERE = containers.SECOND_SITE
ONE_REDIRECT = (BuiltRedirect("", REDIRECTED),)
EXIT = bytes.fromhex("9500000000000000")
LOOP = bytes.fromhex("0500ffff00000000")  # goto itself
WILD_LOAD = bytes.fromhex(
    "1800000000000050" + "0000000000000000" + "7900000000000000"
)  # r0 = *(u64 *)0x50000000


def write_context(verdict: int, value: int = 0) -> bytes:
    """Every word of the context but sp and pc gets 0x1000 + its number; then the verdict."""
    program = b""
    for word in range(17):
        program += b"\x62\x01" + (4 * word).to_bytes(2, "little") + (0x1000 + word).to_bytes(4, "little")
    return program + exit_with(verdict, value)


def armed(code: bytes, fuel: int = 64, redirects=ONE_REDIRECT, data=b"", **changes: object):
    """A board with one patch at SITE whose site differs from the sample by `changes`."""
    device = containers.device()
    built = patch(code, fuel=fuel, sites=(site(**changes),), redirects=redirects, data=data)
    assert exchange.push(device, install(built=built)) == Status.OK
    return device


def hit(device, **values: int) -> tuple[Frame, Frame, bool]:
    """(frame before, frame after, whether r4-r11 changed)"""
    before, after = device.frame(SITE, **values), device.frame(SITE, **values)
    return before, after, device.fire(SITE, after)


def test_pass_leaves_the_frame_as_it_is():
    before, after, changed = hit(armed(write_context(Verdict.PASS), writable_registers=0x15FFF), r0=1, r4=2)

    assert (after.words(), changed) == (before.words(), False)


def test_return_gives_the_value_to_the_caller():
    before, after, changed = hit(armed(exit_with(Verdict.RETURN, 0xFFFF_FFFE)), r0=1, r1=2)

    assert (after.r0_r3[0], after.pc, changed) == (0xFFFF_FFFE, before.lr, False)
    assert after.r0_r3[1] == 2


@pytest.mark.parametrize("number", range(17))
@pytest.mark.parametrize("verdict", [Verdict.CHANGE, Verdict.REDIRECT])
def test_a_register_is_written_where_the_site_allows_it_and_nowhere_else(verdict, number):
    device = armed(write_context(verdict), writable_registers=1 << number)
    before, after, changed = hit(device)
    expected = Frame.from_buffer_copy(before)
    value = 0x1000 + number
    if number < 4:
        expected.r0_r3[number] = value
    elif number < 12:
        expected.r4_r11[number - 4] = value
    elif number in (12, 14):
        setattr(expected, "r12" if number == 12 else "lr", value)
    if verdict == Verdict.REDIRECT:
        expected.pc = REDIRECTED | 1

    assert (
        after.words() == expected.words()
    )  # xpsr's writable flags are all zero in 0x1010; sp and pc never change
    assert changed == (4 <= number < 12)


def test_the_flags_are_written_and_nothing_else_of_the_status_word():
    code = b"\x62\x01\x40\x00\xff\xff\xff\xff" + exit_with(Verdict.CHANGE)
    _, after, _ = hit(armed(code, writable_registers=1 << 16), apsr=0)

    assert after.apsr == 0xF80F0000


@pytest.mark.parametrize("index", [0, 1])
def test_redirect_goes_to_the_entry_that_the_program_names(index):
    device = armed(
        exit_with(Verdict.REDIRECT, index), redirects=(BuiltRedirect("", 0x4000), BuiltRedirect("", 0x5000))
    )
    _, after, _ = hit(device)

    assert after.pc == (0x4001, 0x5001)[index]


def test_skip_goes_on_behind_the_displaced_instruction():
    _, after, _ = hit(armed(exit_with(Verdict.SKIP)))

    assert after.pc == (SITE + 2) | 1


@pytest.mark.parametrize("number", range(17))
def test_the_program_sees_every_register(number):
    load = b"\x61\x12" + (4 * number).to_bytes(2, "little") + bytes(4)  # r2 = *(u32 *)(r1 + 4 * number)
    shift = bytes.fromhex(
        "6702000020000000" + "bf20000000000000" + "4700000001000000"
    )  # r0 = r2 << 32 | RETURN
    device = armed(load + shift + EXIT)
    names = [*(f"r{index}" for index in range(13)), "sp", "lr", "pc", "apsr"]
    values = {name: 0x100 + index for index, name in enumerate(names) if name not in ("sp", "pc")}
    frame = device.frame(SITE, **values)
    expected = values | {"sp": ctypes.addressof(frame) + 64 & 0xFFFF_FFFF, "pc": SITE}
    device.fire(SITE, frame)

    assert frame.r0_r3[0] == expected[names[number]]


FAULTS = {
    "fuel at once": ((exit_with(Verdict.RETURN), 0), Fault.FUEL, Counter.FAULTS_FUEL),
    "fuel in a loop": ((LOOP + EXIT, 1000), Fault.FUEL, Counter.FAULTS_FUEL),
    "memory": ((WILD_LOAD + EXIT, 64), Fault.MEMORY, Counter.FAULTS_MEMORY),
    "a verdict that does not exist": ((exit_with(5), 64), Fault.VERDICT, Counter.FAULTS_OTHER),
    "a huge verdict": ((exit_with(0xFFFF_FFFF), 64), Fault.VERDICT, Counter.FAULTS_OTHER),
    "a redirect that does not exist": (
        (exit_with(Verdict.REDIRECT, 1), 64),
        Fault.VERDICT,
        Counter.FAULTS_OTHER,
    ),
}
SAFE = {
    "pass": SafeVerdict(Verdict.PASS),
    "return": SafeVerdict(Verdict.RETURN, value=0xABCD),
    "redirect": SafeVerdict(Verdict.REDIRECT, 0, (SafeArgument(0x77), SafeArgument(4, in_data=True))),
}


@pytest.mark.parametrize("safe", SAFE)
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_in_the_safe_verdict_and_is_counted(name, safe):
    (code, fuel), fault, counter = FAULTS[name]
    device = armed(code, fuel, safe=SAFE[safe], data=b"12345678", writable_registers=0x15FFF)
    before, after, changed = hit(device, r0=1, r1=2, r2=3)

    assert not changed
    assert after.words() == expected_safe(device, before, safe)
    info = device.patches()["sample"]
    assert (info.hits, info.safe_verdicts, info.last_fault) == (1, 1, fault)
    assert device.counter(counter) == 1


def expected_safe(device, before: Frame, safe: str) -> tuple[int, ...]:
    expected = Frame.from_buffer_copy(before)
    if safe == "return":
        expected.r0_r3[0], expected.pc = 0xABCD, before.lr
    if safe == "redirect":
        expected.r0_r3[0] = 0x77
        expected.r0_r3[1] = data_address(device) + 4
        expected.pc = REDIRECTED | 1
    return expected.words()


def data_address(device) -> int:
    return bytes(device.flash.buffer).index(b"12345678", device.board.slots_address)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_that_the_site_does_not_allow_is_a_fault(verdict):
    others = frozenset(Verdict) - {verdict}
    device = armed(exit_with(verdict), verdicts=others)
    before, after, _ = hit(device)

    assert after.words() == before.words()
    assert device.patches()["sample"].last_fault == Fault.VERDICT


@pytest.mark.parametrize(("room", "fault"), [(511, Fault.RECORD), (512, Fault.NONE)])
def test_a_stack_that_is_nearly_full_gets_the_safe_verdict(room, fault):
    device = armed(exit_with(Verdict.RETURN, 1), safe=SafeVerdict(Verdict.RETURN, value=2))
    device.stack_room = room
    _, after, _ = hit(device)

    assert after.r0_r3[0] == (1 if fault == Fault.NONE else 2)
    assert device.patches()["sample"].last_fault == fault
    assert device.counter(Counter.RECORDS_EXHAUSTED) == (fault == Fault.RECORD)


def chain(device, frames, last=lambda: None):
    """Fires every frame, each while the one before it is under way; `last` happens inside the innermost."""
    waiting = list(frames)

    def nest() -> None:
        if waiting:
            device.fire(SITE, waiting.pop(0))
        else:
            last()

    device.during_run = nest
    nest()
    device.during_run = lambda: None


ECHO_R0 = bytes.fromhex(
    "6112000000000000" + "6702000020000000" + "bf20000000000000" + "4700000001000000"
)  # return context[0]


@pytest.mark.parametrize(("deep", "without_record"), [(1, 0), (4, 0), (5, 1)])
def test_hits_inside_hits_have_records_of_their_own_until_none_is_left(deep, without_record):
    device = armed(ECHO_R0 + EXIT, safe=SafeVerdict(Verdict.RETURN, value=0xBAD))
    frames = [device.frame(SITE, r0=0x100 + number) for number in range(deep)]
    chain(device, frames)

    served = deep - without_record
    assert [frame.r0_r3[0] for frame in frames] == [*range(0x100, 0x100 + served), *[0xBAD] * without_record]
    assert device.counter(Counter.RECORDS_EXHAUSTED) == without_record
    assert device.counter(Counter.HITS) == deep


def test_a_fault_belongs_to_the_nearest_run_above_the_faulting_stack():
    device = armed(ECHO_R0 + EXIT)
    frames = (Frame * 3)(*[device.frame(SITE) for _ in range(3)])
    outer, inner = frames[2], frames[0]
    found = []

    def look() -> None:
        for below in (inner, frames[1], outer):
            found.append(device.fault_frame(ctypes.addressof(below)))
        found.append(device.fault_frame(ctypes.addressof(inner) - RUN_STACK_BYTES))
        found.append(device.fault_frame(ctypes.addressof(outer) + 4))

    chain(device, [outer, inner], look)

    at = [ctypes.addressof(frame) for frame in (inner, outer, outer, inner)]
    assert found == [*at, 0]
    assert device.fault_frame(ctypes.addressof(inner)) == 0


@pytest.mark.parametrize(
    ("distance", "is_the_run"), [(0, True), (512, True), (516, False), (0x1000, False), (-4, False)]
)
def test_a_fault_farther_below_a_run_than_its_stack_reaches_is_another_thread_s(distance, is_the_run):
    device = armed(ECHO_R0 + EXIT)
    frame, found = device.frame(SITE), []
    at = ctypes.addressof(frame)

    chain(device, [frame], lambda: found.append(device.fault_frame(at - distance)))

    assert found == [at if is_the_run else 0]


def test_a_hit_without_room_is_never_the_owner_of_a_fault():
    device = armed(ECHO_R0 + EXIT, safe=SafeVerdict(Verdict.RETURN, value=2))
    frame, found = device.frame(SITE), []
    device.stack_room = RUN_STACK_BYTES - 1
    device.on_room_asked = lambda: found.append(device.fault_frame(ctypes.addressof(frame)))

    device.fire(SITE, frame)

    assert (found, frame.r0_r3[0]) == ([0], 2)


def test_a_fault_of_a_handler_that_interrupted_a_run_is_not_the_run_s():
    device = armed(ECHO_R0 + EXIT)
    thread, handler = device.frame(SITE), device.frame(SITE)
    found = []

    def interrupt() -> None:
        device.level = 15
        found.append(device.fault_frame(ctypes.addressof(thread)))
        chain(device, [handler], lambda: found.append(device.fault_frame(ctypes.addressof(handler))))
        device.level = 0
        found.append(device.fault_frame(ctypes.addressof(thread)))

    chain(device, [thread], interrupt)

    assert found == [0, ctypes.addressof(handler), ctypes.addressof(thread)]


@pytest.mark.parametrize("safe", SAFE)
def test_a_run_that_faulted_in_the_core_is_ended_by_its_safe_verdict_and_its_record_is_free(safe):
    device = armed(ECHO_R0 + EXIT, safe=SAFE[safe], data=b"12345678")
    before, after = device.frame(SITE, r0=1, r1=2), device.frame(SITE, r0=1, r1=2)
    seen = []

    def abort() -> None:
        device.abort(after)
        seen.append((after.words(), device.fault_frame(ctypes.addressof(after))))

    chain(device, [after], abort)

    assert seen == [(expected_safe(device, before, safe), 0)]
    assert device.counter(Counter.CORE_FAULTS) == 1
    assert device.patches()["sample"].last_fault == Fault.CORE


@pytest.mark.parametrize(
    ("faults", "armed_after", "state"), [(2, True, PatchState.UPDATED), (3, False, PatchState.REJECTED)]
)
def test_the_third_processor_fault_takes_the_patch_out(faults, armed_after, state):
    device = armed(ECHO_R0 + EXIT)
    assert exchange.confirm(device, "sample") == Status.OK
    frame = device.frame(SITE, r0=1)

    for _ in range(faults):
        chain(device, [frame], lambda: device.abort(frame))
    device.poll()

    patch = device.patches()["sample"]
    assert (patch.armed, patch.state) == (armed_after, state)
    assert device.counter(Counter.STRUCK_OUT) == (0 if armed_after else 1)


def test_aborting_a_frame_that_no_run_owns_does_nothing():
    device = armed(ECHO_R0 + EXIT)
    frame = device.frame(SITE, r0=1)
    before = frame.words()
    device.abort(frame)

    assert frame.words() == before
    assert device.counter(Counter.CORE_FAULTS) == 0


def test_a_hit_on_a_trigger_just_disarmed_goes_on_unpatched():
    device = armed(exit_with(Verdict.RETURN, 1))
    index, frame = device.trigger_at(SITE), device.frame(SITE, r0=9)
    before = frame.words()
    exchange.push(device, undo())

    assert not device.fire_trigger(index, frame)
    assert not device.fire_trigger(99, frame)
    assert frame.words() == before
    assert device.counter(Counter.HITS) == 0


def test_an_undo_during_a_run_lets_the_run_end():
    device = armed(exit_with(Verdict.RETURN, 1))
    frame = device.frame(SITE)
    chain(device, [frame], lambda: exchange.push(device, undo()))

    assert frame.r0_r3[0] == 1
    assert device.armed == {}


def test_each_run_starts_with_a_clean_stack():
    spill = bytes.fromhex(
        "79a0f8ff00000000" + "7b1af8ff00000000"
    )  # r0 = *(u64 *)(r10 - 8), then r1 is left there
    shift = bytes.fromhex("6700000020000000" + "4700000001000000")
    device = armed(spill + shift + EXIT)
    values = []
    for _ in range(3):
        _, after, _ = hit(device)
        values.append(after.r0_r3[0])

    assert values == [0, 0, 0]


def test_two_sites_run_the_programs_they_name():
    programs = tuple(BuiltProgram("", exit_with(Verdict.RETURN, value), 8, 0) for value in (1, 2))
    second = site(containers.SECOND_SITE, program_index=1)
    device = containers.device()
    exchange.push(device, install(built=patch(programs=programs, sites=(site(), second))))
    values = {}
    for address in (SITE, containers.SECOND_SITE):
        frame = device.frame(address)
        device.fire(address, frame)
        values[address] = frame.r0_r3[0]

    assert values == {SITE: 1, containers.SECOND_SITE: 2}


def at(address: int, **changes: object) -> bytes:
    """A container whose one site is at `address`."""
    built = patch(sites=(site(address, copy=containers.copy_of(address, containers.PUSH)),))
    return install(built=built, **changes)


def undone(sites: int = 1):
    """A board with one trigger, which has had a site, and threads that may be on their way from it."""
    device = containers.device(trigger_count=sites)
    assert exchange.push(device, at(SITE, patch_id="a")) == Status.OK
    exchange.confirm(device, "a")
    assert exchange.push(device, undo(3, patch_id="a")) == Status.OK
    device.quiet = lambda address, size: False
    return device


def test_a_trigger_gets_no_other_site_while_a_thread_may_be_on_its_way_from_its_last():
    assert exchange.push(undone(), at(ELSEWHERE, patch_id="b")) == Status.NO_TRIGGER


def test_it_gets_the_same_site_again_or_another_once_nobody_is_on_the_way():
    assert exchange.push(undone(), at(SITE, patch_id="b")) == Status.OK
    device = undone()
    device.quiet = lambda address, size: True
    assert exchange.push(device, at(ELSEWHERE, patch_id="b")) == Status.OK


def test_a_trigger_that_never_had_a_site_is_free_for_any():
    device = undone(sites=2)

    assert exchange.push(device, at(ELSEWHERE, patch_id="b")) == Status.OK
    assert [address for address, _ in device.armed.values()] == [ELSEWHERE]


# ------------------------------------------------ variables ------------------------------------------------

SHARE = containers.BOARD.limits.variable_bytes // containers.BOARD.store.slot_count
GIVE_R4 = "r0 = r4\nr0 <<= 32\nr0 |= 1\nexit"
COUNT = f"r3 = map[idx:1]+0\nr4 = 1\nr4 = atomic_fetch_add((u64 *)(r3 + 0), r4)\n{GIVE_R4}"
READ = f"r2 = *(u32 *)(r1 + 0)\nr3 = map[idx:1]+0\nr3 += r2\nr4 = *(u8 *)(r3 + 0)\n{GIVE_R4}"
PLACE = f"r4 = map[idx:1]+0\n{GIVE_R4}"
FILL = f"""
r2 = *(u32 *)(r1 + 0)
if r2 == 0 goto +0
r3 = map[idx:1]+0
r5 = map[idx:1]+{SHARE}
again:
*(u8 *)(r3 + 0) = r2
r3 += 1
if r3 < r5 goto again
r0 = 0
exit
"""


def keeping(text: str, initial: bytes = b"", size: int = 16, **changes: object) -> BuiltPatch:
    """A patch with variables whose program is `text`."""
    return patch(encode(assemble(text)), fuel=2000, variables=Variables(initial, size), **changes)


def counting(start: int, **changes: object) -> BuiltPatch:
    """One that counts its hits from `start` on."""
    return keeping(COUNT, start.to_bytes(8, "little"), **changes)


def given(device, address: int = SITE, **values: int) -> int:
    """What one hit at `address` gives the caller."""
    frame = device.frame(address, **values)
    device.fire(address, frame)
    return frame.r0_r3[0]


def holding(*built: BuiltPatch):
    """A board with these versions of the sample pushed and confirmed, one after the other."""
    device = containers.device()
    for number, version in enumerate(built):
        assert exchange.push(device, install(2 + 2 * number, version)) == Status.OK
        assert device.confirm("sample") == Status.OK
    return device


def test_a_variable_keeps_its_value_from_hit_to_hit():
    device = holding(counting(7))

    assert [given(device) for _ in range(5)] == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("initial", [b"", b"\x01", bytes(range(1, 17)), bytes(range(1, 14))])
@pytest.mark.parametrize("data", [b"", b"constants"])
def test_at_the_first_hit_variables_are_the_end_of_the_data_and_then_zeros(initial, data):
    device = holding(keeping(READ, initial, data=data))

    assert bytes(given(device, r0=at) for at in range(16)) == initial + bytes(16 - len(initial))


def test_every_site_of_a_patch_has_the_same_variables():
    second = site(ELSEWHERE)
    device = holding(counting(7, sites=(site(), second)))

    assert [given(device, address) for address in (SITE, ELSEWHERE, SITE)] == [7, 8, 9]


def test_hits_inside_hits_count_in_one_variable():
    device = holding(counting(7))
    frames = [device.frame(SITE) for _ in range(4)]
    chain(device, frames)

    assert [frame.r0_r3[0] for frame in frames] == [10, 9, 8, 7]  # the innermost runs first
    assert given(device) == 11


def test_a_reset_starts_a_patchs_variables_afresh():
    device = holding(counting(7))
    before = [given(device), given(device)]
    device.reboot()

    assert before == [7, 8]
    assert [given(device), given(device)] == [7, 8]


def test_an_update_starts_with_its_own_initial_values_and_a_reset_goes_back_to_the_old_ones():
    device = holding(counting(7))
    before = [given(device), given(device)]
    assert exchange.push(device, install(4, counting(50))) == Status.OK
    updated = [given(device), given(device)]
    device.reboot()  # nobody confirmed it

    assert (before, updated) == ([7, 8], [50, 51])
    assert given(device) == 7


def test_an_update_that_cannot_be_armed_leaves_the_old_versions_variables_as_they_were():
    device = holding(counting(7))
    before = [given(device), given(device)]
    device.refused_sites.add(ELSEWHERE)
    two_sites = counting(50, sites=(site(), site(ELSEWHERE)))

    assert exchange.push(device, install(4, two_sites)) == Status.ILLEGAL_SITE
    assert (before, given(device)) == ([7, 8], 9)
    device.refused_sites.clear()
    assert exchange.push(device, install(4, two_sites)) == Status.OK
    assert given(device) == 50


def test_a_run_that_an_update_overtakes_ends_with_the_variables_of_its_own_version():
    device = holding(counting(7))
    frame = device.frame(SITE)
    newer: list[int] = []

    def update() -> None:
        device.during_run = lambda: None
        assert exchange.push(device, install(4, counting(50))) == Status.OK
        newer.append(given(device))

    chain(device, [frame], update)

    assert (frame.r0_r3[0], newer) == (7, [50])
    assert given(device) == 51


def test_the_same_patch_pushed_again_changes_no_variable():
    device = holding(counting(7))
    before = [given(device), given(device)]

    assert exchange.push(device, install(2, counting(7))) == Status.OK
    assert (before, given(device)) == ([7, 8], 9)


@pytest.mark.parametrize("initial", [b"", b"\x01\x02\x03"])
def test_after_an_undo_the_same_slot_shows_nothing_of_what_its_last_patch_kept(initial):
    device = holding(keeping(FILL, size=SHARE))
    device.fire(SITE, device.frame(SITE, r0=0xFF))
    assert exchange.push(device, undo(3)) == Status.OK
    reader = keeping(READ, initial, SHARE)
    assert exchange.push(device, install(4, reader)) == Status.OK

    packed = payloads.pack(reader)
    assert device.flash.read(device.board.slots_address, len(packed)) == packed
    assert bytes(given(device, r0=at) for at in range(SHARE)) == initial + bytes(SHARE - len(initial))


def test_after_an_undo_a_counter_starts_anew():
    device = holding(counting(7))
    before = [given(device), given(device)]
    exchange.push(device, undo(3))

    assert exchange.push(device, install(4, counting(7))) == Status.OK
    assert (before, given(device)) == ([7, 8], 7)


def full_board(text: str, ram: int = containers.BOARD.limits.variable_bytes):
    """A board whose slots all hold a patch with that program and a full share of RAM; and the sites."""
    limits = dataclasses.replace(containers.BOARD.limits, variable_bytes=ram)
    board = dataclasses.replace(containers.BOARD, limits=limits)
    device = containers.device(board=board, trigger_count=8)
    sites = [TEXT[0] + 0x100 * number for number in range(board.store.slot_count)]
    share = ram // len(sites) // 8 * 8
    for address in sites:
        device.flash.load(address, containers.ORIGINAL)
        one = site(address, copy=containers.copy_of(address, containers.PUSH))
        built = keeping(text, size=share, sites=(one,))
        assert exchange.push(device, install(2, built, patch_id=f"p{address:x}")) == Status.OK
    return device, sites


def test_patches_in_all_slots_fill_their_shares_and_none_sees_anothers():
    fill_or_read = FILL.replace("if r2 == 0 goto +0", "if r2 == 0 goto read").strip() + (
        f"\nread:\nr3 = map[idx:1]+0\nr5 = map[idx:1]+{SHARE}\nr4 = *(u8 *)(r3 + 0)\nmore:\n"
        f"r2 = *(u8 *)(r3 + 0)\nif r2 != r4 goto differs\nr3 += 1\nif r3 < r5 goto more\n{GIVE_R4}\n"
        f"differs:\nr4 = 0xbad\n{GIVE_R4}"
    )
    device, sites = full_board(fill_or_read)
    fresh = [given(device, address) for address in sites]
    for number, address in enumerate(sites):
        device.fire(address, device.frame(address, r0=number + 1))
    filled = [given(device, address) for address in sites]
    device.fire(sites[3], device.frame(sites[3], r0=0x55))

    assert fresh == [0] * 8
    assert filled == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [given(device, address) for address in sites] == [1, 2, 3, 0x55, 5, 6, 7, 8]


@pytest.mark.parametrize("ram", [2048, 2047, 64, 127])
def test_the_shares_lie_side_by_side_and_the_last_ends_inside_the_boards_ram(ram):
    device, sites = full_board(PLACE, ram)
    share = ram // 8 // 8 * 8

    places = [given(device, address) - given(device, sites[0]) for address in sites]

    assert places == [share * number for number in range(8)]
    assert places[-1] + share <= ram
