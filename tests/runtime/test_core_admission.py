"""Stop 9 of 12. Admission: every reason to refuse a container, and its good twins."""

from dataclasses import replace

import cbor2
import pytest
from patchctl.contract import (
    MAP_VARIABLES,
    STATUS_TEXT,
    Counter,
    Map,
    PatchState,
    PayloadHeader,
    ReplyKey,
    Status,
    Trigger,
    Verdict,
)
from patchctl.errors import DeviceRefused
from patchctl.package import payload as payloads
from patchctl.package.envelope import seal_install
from patchctl.program import BuiltProgram, BuiltRedirect, MemoryRange, SafeArgument, SafeVerdict, Variables

from tests.native import RUNTIME_TEXT, TEXT, NativeDevice, blank_flash
from tests.runtime import containers, exchange
from tests.runtime.containers import KEY, OTHER_KEY, SITE, copy_of, install, patch, site, undo

MOV_PC = bytes.fromhex("7846")  # mov r0, pc
EXIT = bytes.fromhex("9500000000000000")


@pytest.fixture
def device():
    return containers.device()


def raw(change) -> bytes:
    """A signed install whose payload went through `change`."""
    payload = bytearray(payloads.pack(patch()))
    return seal_install(containers.manifest(2), bytes(change(payload) or payload), KEY)


def poke(at: int, value: int, size: int = 4):
    def change(payload: bytearray) -> None:
        payload[at : at + size] = value.to_bytes(size, "little")

    return raw(change)


def sites(**changes: object) -> bytes:
    return install(built=patch(sites=(site(**changes),)))


def code(text: str) -> bytes:
    return install(built=patch(bytes.fromhex(text)))


def safe(verdict: Verdict, **changes: object) -> bytes:
    return sites(safe=SafeVerdict(verdict, **changes))


# Header 96 bytes, one program record of 28 (32 with padding), then the site.
PROGRAM_AT = 96
SITE_AT = PROGRAM_AT + 32

REFUSED = {
    "cut short": (install()[:-1], Status.TRUNCATED),
    "empty": (b"", Status.TRUNCATED),
    "a byte too many": (install() + b"\0", Status.MALFORMED),
    "no envelope": (b"\xd8\x6a" + install()[2:], Status.MALFORMED),
    "another algorithm": (
        install().replace(bytes.fromhex("43a10132"), bytes.fromhex("43a10126")),
        Status.UNSUPPORTED,
    ),
    "another key": (install(key=OTHER_KEY), Status.BAD_SIGNATURE),
    "another manifest": (install().replace(b"sample", b"simple", 1), Status.BAD_DIGEST),
    "another payload": (install()[:-1] + b"\1", Status.BAD_DIGEST),
    "another vendor": (install(vendor_id=bytes(16)), Status.WRONG_VENDOR),
    "another board": (install(class_id=bytes(16)), Status.WRONG_BOARD),
    "another build": (install(build_id=bytes(20)), Status.WRONG_BUILD),
    "half a build-id": (install(build_id=bytes(range(10))), Status.WRONG_BUILD),
    "an impossible id": (install(patch_id="Sample"), Status.MALFORMED),
    "an id too long": (install(patch_id="x" * 33), Status.MALFORMED),
    "a sequence too long": (install(2**32), Status.MALFORMED),
    "an undo of nothing": (undo(), Status.NOT_FOUND),
    "payload magic": (poke(0, 0), Status.BAD_PAYLOAD),
    "payload level": (poke(4, 99, 2), Status.UNSUPPORTED),
    "payload header size": (poke(6, 92, 2), Status.BAD_PAYLOAD),
    "payload size": (poke(8, 1), Status.BAD_PAYLOAD),
    "payload too short": (raw(lambda payload: payload[:95]), Status.BAD_PAYLOAD),
    "tenant": (poke(12, 1), Status.BAD_PAYLOAD),
    "section offset": (poke(16, 104), Status.BAD_PAYLOAD),
    "section size": (poke(20, 0xFFFF_FFF8), Status.BAD_PAYLOAD),
    "half a program record": (poke(20, 27), Status.BAD_PAYLOAD),
    "padding": (poke(PROGRAM_AT + 28, 1), Status.BAD_PAYLOAD),
    "program outside the code": (poke(PROGRAM_AT, 8), Status.BAD_PAYLOAD),
    "program of no bytes": (poke(PROGRAM_AT + 4, 0), Status.BAD_PAYLOAD),
    "stack not of eights": (poke(PROGRAM_AT + 12, 4), Status.BAD_PAYLOAD),
    "stack too large": (poke(PROGRAM_AT + 12, 520), Status.BAD_PAYLOAD),
    "an unknown flag": (poke(PROGRAM_AT + 24, 2), Status.BAD_PAYLOAD),
    "frame not of eights": (poke(PROGRAM_AT + 24, 4 << 16), Status.BAD_PAYLOAD),
    "frame larger than the stack": (poke(PROGRAM_AT + 24, 72 << 16), Status.BAD_PAYLOAD),
    "program flags": (poke(PROGRAM_AT + 24, 2), Status.BAD_PAYLOAD),
    "certificate outside": (poke(PROGRAM_AT + 20, 8), Status.BAD_PAYLOAD),
    "odd site": (poke(SITE_AT, SITE + 1), Status.BAD_PAYLOAD),
    "few original bytes": (poke(SITE_AT + 20, 7, 1), Status.BAD_PAYLOAD),
    "many original bytes": (poke(SITE_AT + 20, 17, 1), Status.BAD_PAYLOAD),
    "nothing displaced": (poke(SITE_AT + 21, 0, 1), Status.BAD_PAYLOAD),
    "unknown trigger": (poke(SITE_AT + 22, 2, 1), Status.BAD_PAYLOAD),
    "unknown program": (poke(SITE_AT + 23, 1, 1), Status.BAD_PAYLOAD),
    "unknown verdict": (poke(SITE_AT + 24, 0x20), Status.BAD_PAYLOAD),
    "unknown register": (poke(SITE_AT + 28, 1 << 17), Status.BAD_PAYLOAD),
    "crooked copy": (poke(SITE_AT + 32, 2), Status.BAD_PAYLOAD),
    "copy outside": (poke(SITE_AT + 36, 64), Status.BAD_PAYLOAD),
    "safe verdict change": (poke(SITE_AT + 40, Verdict.CHANGE, 1), Status.BAD_PAYLOAD),
    "safe redirect to nothing": (poke(SITE_AT + 40, 0x0102, 2), Status.BAD_PAYLOAD),
    "safe pointer without argument": (poke(SITE_AT + 42, 1, 1), Status.BAD_PAYLOAD),
    "safe argument unused": (poke(SITE_AT + 48, 1), Status.BAD_PAYLOAD),
    "five safe arguments": (poke(SITE_AT + 43, 5, 1), Status.BAD_PAYLOAD),
    "odd redirect": (poke(SITE_AT + 64, 0x4001), Status.BAD_PAYLOAD),
    "writable range": (install(built=patch(ranges=(MemoryRange(0x2000_0000, 4),))), Status.UNSUPPORTED),
    "unknown helper": (install(built=patch(helpers=(2,))), Status.UNSUPPORTED),
    "huge helper": (install(built=patch(helpers=(0xFFFF_FFFF,))), Status.UNSUPPORTED),
    "fixed trigger": (sites(trigger=Trigger.FIXED), Status.UNSUPPORTED),
    "site below the text": (
        sites(address=TEXT[0] - 2, copy=copy_of(TEXT[0] - 2, b"\x10\xb5")),
        Status.ILLEGAL_SITE,
    ),
    "site in the runtime": (sites(address=RUNTIME_TEXT[0]), Status.ILLEGAL_SITE),
    "redirect out of the text": (
        install(built=patch(redirects=(BuiltRedirect("", 0x2000_0000),))),
        Status.ILLEGAL_SITE,
    ),
    "two sites in one place": (install(built=patch(sites=(site(), site()))), Status.ILLEGAL_SITE),
    "other bytes at the site": (sites(original=bytes.fromhex("10b5044600f0010e")), Status.SITE_BYTES),
    "another copy": (sites(copy=copy_of(SITE, b"\x10\xb4")), Status.BAD_COPY),
    "a copy that goes elsewhere": (sites(copy=copy_of(SITE + 4, b"\x10\xb5")), Status.BAD_COPY),
    "a copy without tail": (sites(copy=b"\x10\xb5\x00\xbf"), Status.BAD_COPY),
    "a copy with more": (sites(copy=copy_of(SITE, b"\x10\xb5") + bytes(4)), Status.BAD_COPY),
    "an unknown opcode": (code("ff00000000000000" + "9500000000000000"), Status.CHECK_OPCODE),
    "no exit": (code("b700000000000000"), Status.CHECK_FALLS_OFF),
    "a helper not declared": (code("8500000001000000" + "9500000000000000"), Status.CHECK_CALL),
    "no data section": (
        code("1860000000000000" + "0000000000000000" + "9500000000000000"),
        Status.CHECK_REFERENCE,
    ),
}

TWINS = {
    "plain": install(),
    "an undo's id of full length": install(patch_id="x" * 32),
    "the highest sequence": install(2**32 - 1),
    "fuel of nothing": install(built=patch(fuel=0)),
    "a declared helper": install(built=patch(bytes.fromhex("8500000001000000") + EXIT, helpers=(1,))),
    "a data section": install(built=patch(bytes.fromhex("1860000000000000" + "00" * 8) + EXIT, data=b"abc")),
    "full stack": install(
        built=patch(
            programs=(BuiltProgram("", containers.exit_with(0), fuel=1, stack_bytes=512, metered=True),)
        )
    ),
    "a frame as large as the stack": install(
        built=patch(programs=(BuiltProgram("", containers.exit_with(0), 1, 64, frame_bytes=64),))
    ),
    "a certificate": install(
        built=patch(programs=(BuiltProgram("", containers.exit_with(0), 1, 8, certificate=b"proof"),))
    ),
    "safe return": safe(Verdict.RETURN, value=1),
    "safe redirect": install(
        built=patch(
            sites=(
                site(safe=SafeVerdict(Verdict.REDIRECT, 0, (SafeArgument(7), SafeArgument(2, in_data=True)))),
            ),
            data=b"abc",
        )
    ),
    "two sites": install(built=patch(sites=(site(), site(containers.SECOND_SITE)))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_container_is_refused_by_name_and_changes_nothing(device, name):
    container, status = REFUSED[name]

    assert exchange.push(device, container) == status
    assert (device.patches(), device.armed) == ({}, {})
    assert device.counter(Counter.REFUSALS) == 1


@pytest.mark.parametrize("name", TWINS)
def test_its_good_twins_are_accepted(device, name):
    assert exchange.push(device, TWINS[name]) == Status.OK
    assert device.counter(Counter.INSTALLS) == 1


def test_every_status_of_admission_is_refused_above_or_has_its_own_test():
    elsewhere = {
        *(
            Status.OK,
            Status.NO_KEYS,
            Status.TOO_LARGE,
            Status.CHECK_LENGTH,
            Status.OLD_SEQUENCE,
            Status.SEQUENCE_CONFLICT,
        ),
        *(
            Status.TOO_MANY_PATCHES,
            Status.STORE_FULL,
            Status.FLASH_FAILED,
            Status.NO_TRIGGER,
            Status.NO_DEBUG_MONITOR,  # tests/end_to_end/test_secure_debug.py
            Status.METHOD_NOT_ALLOWED,
            Status.BUSY,
        ),
        *(Status.INCOMPLETE, Status.BAD_OPTION, Status.BAD_REQUEST),
        *(
            Status.CHECK_REGISTER,
            Status.CHECK_UNUSED_FIELD,
            Status.CHECK_IMMEDIATE,
            Status.CHECK_FRAME_POINTER,
        ),
        *(Status.CHECK_JUMP_RANGE, Status.CHECK_JUMP_MIDDLE, Status.CHECK_WIDE_LOAD),
    }

    assert {status for _, status in REFUSED.values()} | elsewhere == set(Status)


def test_a_board_without_keys_accepts_nothing():
    device = NativeDevice(blank_flash(containers.BOARD, ()))

    assert exchange.push(device, install()) == Status.NO_KEYS


def test_a_key_page_with_one_wrong_bit_holds_no_keys():
    flash = containers.device().flash
    address = containers.BOARD.keys.address + 50
    flash.load(address, bytes([flash.read(address, 1)[0] ^ 1]))

    assert exchange.push(NativeDevice(flash), install()) == Status.NO_KEYS


def test_any_of_the_trusted_keys_may_sign():
    flash = blank_flash(containers.BOARD, (OTHER_KEY.public, KEY.public))
    flash.load(SITE, containers.ORIGINAL)

    assert exchange.push(NativeDevice(flash), install()) == Status.OK


def test_a_payload_larger_than_a_slot_is_too_large_and_one_that_fills_it_is_not(device):
    plain = len(payloads.pack(patch(data=b"x" * 8))) - 8
    room = device.board.slot_bytes - plain

    assert exchange.push(device, install(built=patch(data=b"x" * (room + 8)))) == Status.TOO_LARGE
    assert exchange.push(device, install(built=patch(data=b"x" * room))) == Status.OK


# ------------------------------------------------ variables ------------------------------------------------

SHARE = containers.BOARD.limits.variable_bytes // containers.BOARD.store.slot_count


def with_map(record: bytes, data: bytes = b"") -> bytes:
    """A payload whose map section is `record`, right or wrong."""
    whole = bytearray(payloads.pack(patch(data=data)))
    header = PayloadHeader.unpack(bytes(whole[: PayloadHeader.BYTES]))
    padded = record + bytes(-len(record) % 8)
    whole[header.maps_offset : header.maps_offset] = padded
    behind = {
        f"{name}_offset": getattr(header, f"{name}_offset") + len(padded)
        for name in ("copies", "code", "data", "certificate")
    }
    changed = replace(header, total_bytes=len(whole), maps_bytes=len(record), **behind)
    return changed.pack() + bytes(whole[PayloadHeader.BYTES :])


def map_of(value_bytes: int, initial_bytes: int = 0, kind: int = MAP_VARIABLES) -> bytes:
    return Map(kind, value_bytes, initial_bytes).pack()


DATA = b"twelve bytes"
MAPS = {  # what the map section holds, in a payload with DATA, and what board and host say
    "none": (b"", Status.OK),
    "variables": (map_of(16), Status.OK),
    "variables of no bytes": (map_of(0), Status.BAD_PAYLOAD),
    "the least variables": (map_of(8), Status.OK),
    "another kind of map": (map_of(16, kind=MAP_VARIABLES + 1), Status.UNSUPPORTED),
    "no kind of map": (map_of(16, kind=0), Status.UNSUPPORTED),
    "two records": (map_of(16) * 2, Status.UNSUPPORTED),
    "most of a record": (map_of(16)[:-1], Status.UNSUPPORTED),
    "more than a record": (map_of(16) + b"\0", Status.UNSUPPORTED),
    "the first byte of a record": (map_of(16)[:1], Status.UNSUPPORTED),
    "variables not of eights": (map_of(20), Status.BAD_PAYLOAD),
    "one byte of variables": (map_of(1), Status.BAD_PAYLOAD),
    "initial values that fill the variables": (map_of(8, 8), Status.OK),
    "more initial values than variables": (map_of(8, 9), Status.BAD_PAYLOAD),
    "initial values that are all the data": (map_of(16, len(DATA)), Status.OK),
    "more initial values than data": (map_of(16, len(DATA) + 1), Status.BAD_PAYLOAD),
    "initial values beyond all memory": (map_of(16, 2**32 - 8), Status.BAD_PAYLOAD),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_record_gets_the_same_answer_from_board_and_host(device, name):
    record, status = MAPS[name]
    payload = with_map(record, DATA)

    assert exchange.push(device, seal_install(containers.manifest(2), payload, KEY)) == status
    assert unpacked(payload) == status
    assert bool(device.armed) == (status == Status.OK)


def unpacked(payload: bytes) -> Status:
    """What the host says of it."""
    try:
        payloads.unpack(payload)
    except DeviceRefused as refused:
        return next(status for status, text in STATUS_TEXT.items() if text == refused.what)
    return Status.OK


@pytest.mark.parametrize(
    ("size", "status"),
    [
        (SHARE - 8, Status.OK),
        (SHARE, Status.OK),
        (SHARE + 8, Status.UNSUPPORTED),
        (containers.BOARD.limits.variable_bytes, Status.UNSUPPORTED),
        (2**32 - 8, Status.UNSUPPORTED),
    ],
)
def test_variables_that_fill_a_slots_share_are_taken_and_larger_ones_are_not(device, size, status):
    assert exchange.push(device, install(built=patch(variables=Variables(b"", size)))) == status


@pytest.mark.parametrize(("ram", "share"), [(0, 0), (63, 0), (64, 8), (127, 8), (128, 16)])
def test_a_slots_share_is_an_equal_part_of_the_ram_in_eights(ram, share):
    board = replace(containers.BOARD, limits=replace(containers.BOARD.limits, variable_bytes=ram))
    fits, too_large = (install(built=patch(variables=Variables(b"", size))) for size in (share, share + 8))

    assert exchange.push(containers.device(board=board), fits) == Status.OK
    assert exchange.push(containers.device(board=board), too_large) == Status.UNSUPPORTED
    assert exchange.push(containers.device(board=board), install()) == Status.OK


def leads_to(offset: int) -> bytes:
    """lddw r1, the variables + offset; exit"""
    return bytes.fromhex("1861000001000000" + "00000000") + offset.to_bytes(4, "little") + EXIT


@pytest.mark.parametrize(
    ("size", "offset", "status"),
    [
        (8, 0, Status.OK),
        (8, 8, Status.OK),
        (8, 9, Status.CHECK_REFERENCE),
        (16, 16, Status.OK),
        (0, 0, Status.CHECK_REFERENCE),
    ],
)
def test_a_program_may_name_as_many_variables_as_its_own_map_has(device, size, offset, status):
    built = patch(leads_to(offset), variables=Variables(b"", size), data=bytes(24))

    assert exchange.push(device, install(built=built)) == status


@pytest.mark.parametrize(("longest", "status"), [(2, Status.CHECK_LENGTH), (3, Status.OK)])
def test_a_program_longer_than_the_board_allows_is_refused_and_one_as_long_is_not(longest, status):
    board = replace(containers.BOARD, limits=replace(containers.BOARD.limits, program_count_max=longest))
    device = containers.device(board=board)  # lddw takes two places, exit one

    assert exchange.push(device, install()) == status


MOVABLE = {
    "push": "10b5",
    "push of many": "2de9f04f",
    "mov": "0446",
    "sub sp": "82b0",
    "ldr from a register": "0368",
    "ldr.w from a register": "d0f80030",
    "movw with 0xf in its immediate": "4ff20f00",
    "svc": "00df",
}
PINNED = {
    "ldr literal": "0148",
    "adr": "01a0",
    "bcc": "00d0",
    "b": "00e0",
    "cbz": "00b1",
    "cbnz": "00b9",
    "blx": "8047",
    "mov r0, pc": "7846",
    "add r0, pc": "7844",
    "cmp pc": "8745",
    "it": "08bf",
    "bkpt": "00be",
    "bl": "00f000f8",
    "b.w": "00f000b8",
    "bcc.w": "00f00080",
    "ldr.w literal": "dff80000",
    "ldrd literal": "dfe90001",
    "tbb": "d0e801f0",
    "ldrex": "50e8000f",
    "adr.w": "0ff20400",
    "adr.w down": "aff20400",
    "vldr literal": "9fed000a",
    "half an instruction": "2de9",
}


@pytest.mark.parametrize(("names", "status"), [(MOVABLE, Status.OK), (PINNED, Status.BAD_COPY)])
def test_only_instructions_that_may_run_anywhere_are_displaced(names, status):
    for name, text in names.items():
        displaced = bytes.fromhex(text)
        original = displaced + containers.ORIGINAL[len(displaced) :]
        device = containers.device()
        device.flash.load(SITE, original)
        container = sites(original=original, displaced_bytes=len(displaced), copy=copy_of(SITE, displaced))

        assert (name, exchange.push(device, container)) == (name, status)


def test_every_flipped_bit_of_a_container_is_refused(device):
    container = install()
    for bit in range(8 * len(container)):
        changed = bytearray(container)
        changed[bit // 8] ^= 1 << bit % 8

        assert exchange.push(device, bytes(changed)) != Status.OK, f"bit {bit}"
        device.flash.erase(device.board.stage_address)

    assert device.patches() == {}


def test_every_truncation_of_a_container_is_refused(device):
    container = install()
    for end in range(len(container)):
        assert exchange.push(device, container[:end]) in (Status.TRUNCATED, Status.MALFORMED)


SEQUENCES = (0, 1, 2, 3, 64, 2**31, 2**32 - 1)


@pytest.mark.parametrize("stored", SEQUENCES)
@pytest.mark.parametrize("offered", SEQUENCES)
def test_a_sequence_number_never_goes_back(stored, offered):
    device = containers.device()
    exchange.push(device, install(stored))
    other = install(offered, patch(fuel=65))
    expected = (
        Status.OLD_SEQUENCE
        if offered < stored
        else Status.SEQUENCE_CONFLICT
        if offered == stored
        else Status.OK
    )

    assert exchange.push(device, other) == expected
    assert device.patches()["sample"].sequence == max(stored, offered)


def test_the_same_container_twice_is_fine_and_happens_once(device):
    assert [exchange.push(device, install()) for _ in range(2)] == [Status.OK, Status.OK]
    assert device.counter(Counter.INSTALLS) == 1


def test_one_patchs_sequence_never_blocks_another(device):
    second = replace(patch(), sites=(site(containers.SECOND_SITE),))

    assert exchange.push(device, install(100)) == Status.OK
    assert exchange.push(device, install(2, second, patch_id="other")) == Status.OK


def test_two_patches_cannot_share_a_site(device):
    assert exchange.push(device, install()) == Status.OK
    assert exchange.push(device, install(patch_id="other")) == Status.ILLEGAL_SITE


def test_more_sites_than_comparators_are_refused_and_as_many_are_not():
    for triggers, status in ((1, Status.NO_TRIGGER), (2, Status.OK)):
        device = containers.device(trigger_count=triggers)

        assert exchange.push(device, TWINS["two sites"]) == status


def test_a_site_that_the_port_cannot_trap_is_refused_and_nothing_stays_armed(device):
    device.refused_sites.add(containers.SECOND_SITE)

    assert exchange.push(device, TWINS["two sites"]) == Status.ILLEGAL_SITE
    assert device.armed == {}
    assert device.patches()["sample"].state == PatchState.REJECTED


def test_an_update_that_the_port_cannot_trap_leaves_the_version_before_it_in_force(device):
    exchange.push(device, install())
    device.confirm("sample")
    device.refused_sites.add(containers.SECOND_SITE)

    assert exchange.push(device, install(4, patch(sites=(site(), site(containers.SECOND_SITE))))) == (
        Status.ILLEGAL_SITE
    )
    assert device.patches()["sample"].state == PatchState.UPDATED
    assert [address for address, _ in device.armed.values()] == [SITE]


@pytest.mark.parametrize(("offset", "status"), [(-2, Status.OK), (2, Status.ILLEGAL_SITE), (4, Status.OK)])
def test_no_patch_may_begin_inside_what_another_displaces(device, offset, status):
    text = bytes.fromhex("10b5") * 10
    device.flash.load(SITE - 4, text)
    wide = site(original=text[:8], displaced_bytes=4, copy=copy_of(SITE, text[:4]))
    near = site(SITE + offset, original=text[:8], copy=copy_of(SITE + offset, text[:2]))

    assert exchange.push(device, install(built=patch(sites=(wide,)))) == Status.OK
    assert exchange.push(device, install(built=patch(sites=(near,)), patch_id="other")) == status


def test_a_refusal_says_which_site_it_is_about(device):
    container, _ = REFUSED["other bytes at the site"]

    answer = cbor2.loads(exchange.put(device, container).payload)

    assert answer == {ReplyKey.STATUS: Status.SITE_BYTES, ReplyKey.DETAIL: SITE}


def test_a_full_store_refuses_and_an_undo_makes_room_once_nobody_is_inside():
    device = containers.device(trigger_count=8)
    for number in range(9):
        address = TEXT[0] + 0x100 * number
        device.flash.load(address, containers.ORIGINAL)
        built = patch(sites=(site(address, copy=copy_of(address, containers.PUSH)),))
        last = install(2, built, patch_id=f"p{number}")
        assert exchange.push(device, last) == (Status.OK if number < 8 else Status.NO_TRIGGER)
        exchange.confirm(device, f"p{number}") if number < 8 else None
    device.quiet = lambda address, size: address < device.board.slots_address
    exchange.push(device, undo(3, patch_id="p0"))

    assert exchange.push(device, last) == Status.STORE_FULL
    device.quiet = lambda address, size: True
    assert exchange.push(device, last) == Status.OK
