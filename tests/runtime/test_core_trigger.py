"""Stop 11 of 12. What a hit does to the registers: every verdict, every fault, hits inside hits."""

import ctypes

import pytest
from patchctl.contract import Counter, Fault, PatchState, Status, Verdict
from patchctl.program import BuiltProgram, BuiltRedirect, SafeArgument, SafeVerdict

from tests.native import Frame
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
