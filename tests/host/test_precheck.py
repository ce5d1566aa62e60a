"""Host and board refuse alike: the host's precheck against the board's own core, case by case."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
from patchctl.contract import CONTRACT_ID, LEVEL, STATUS_TEXT, PatchState, Status
from patchctl.errors import InputError, KeyRefused, TargetMismatch
from patchctl.package import payload, precheck, reports
from patchctl.package.envelope import open_envelope, seal_install
from patchctl.package.reports import Identity

from tests.runtime import containers, exchange

STRIDE = 17  # bits between two flips: coprime to 8, so that every bit position has its turn
PACKED = payload.pack(containers.patch())
BOARDS_OWN = {Status.SITE_BYTES, Status.ILLEGAL_SITE, Status.BAD_COPY}  # only the board holds these facts


def _identity(device) -> Identity:
    return reports.read_identity(cbor2.dumps(exchange.get(device, "hp/id")))


def host_says(device, container: bytes) -> Status:
    installed = reports.read_patches(cbor2.dumps(exchange.get(device, "hp/patches")))
    try:
        precheck.precheck(container, _identity(device), installed, [containers.KEY.public])
    except InputError as problem:
        return next(status for status, text in STATUS_TEXT.items() if text == problem.what)
    return Status.OK


CASES = {
    "install": (containers.install(), Status.OK),
    "undo of nothing": (containers.undo(), Status.NOT_FOUND),
    "empty": (b"", Status.TRUNCATED),
    "cut short": (containers.install()[:-1], Status.TRUNCATED),
    "trailing byte": (containers.install() + b"\0", Status.MALFORMED),
    "foreign key": (containers.install(key=containers.OTHER_KEY), Status.BAD_SIGNATURE),
    "another vendor": (containers.install(vendor_id=bytes(16)), Status.WRONG_VENDOR),
    "another board": (containers.install(class_id=bytes(16)), Status.WRONG_BOARD),
    "another build": (containers.install(build_id=bytes(20)), Status.WRONG_BUILD),
    "flipped payload": (containers.install()[:-1] + b"\x01", Status.BAD_DIGEST),
    "another magic": (
        seal_install(containers.manifest(2), bytes(4) + PACKED[4:], containers.KEY),
        Status.BAD_PAYLOAD,
    ),
    "another level": (
        seal_install(containers.manifest(2), PACKED[:4] + b"\x63" + PACKED[5:], containers.KEY),
        Status.UNSUPPORTED,
    ),
    "too large": (
        containers.install(built=replace(containers.patch(), data=bytes(containers.BOARD.slot_bytes))),
        Status.TOO_LARGE,
    ),
}


@pytest.mark.parametrize(("container", "status"), CASES.values(), ids=CASES)
def test_host_and_board_give_the_same_status(container, status):
    device = containers.device()

    assert host_says(device, container) == status
    assert exchange.push(device, container) == status


@pytest.mark.parametrize(
    ("first", "then", "status"),
    [
        (4, containers.install(2), Status.OLD_SEQUENCE),
        (4, containers.install(4), Status.OK),
        (4, containers.install(4, containers.patch(fuel=65)), Status.SEQUENCE_CONFLICT),
        (4, containers.install(6), Status.OK),
        (4, containers.undo(3), Status.OLD_SEQUENCE),
        (4, containers.undo(5), Status.OK),
    ],
    ids=["older", "same", "same number, other contents", "newer", "older undo", "undo"],
)
def test_host_and_board_agree_on_sequences(first, then, status):
    device = containers.device()
    exchange.push(device, containers.install(first))

    assert host_says(device, then) == status
    assert exchange.push(device, then) == status


@pytest.mark.parametrize("container", [containers.install(), containers.undo()], ids=["install", "undo"])
def test_host_and_board_agree_on_flipped_bits(container):
    device = containers.device()
    differing = {}

    for bit in range(0, 8 * len(container), STRIDE):
        at = bit // 8
        flipped = container[:at] + bytes([container[at] ^ 1 << bit % 8]) + container[at + 1 :]
        answers = host_says(device, flipped), exchange.push(device, flipped)
        if answers[0] != answers[1] or answers[0] == Status.OK:
            differing[bit] = answers

    assert differing == {}


def test_host_and_board_agree_on_signed_but_damaged_payloads():
    """What is left to the board alone are facts of its firmware, and triggers that it does not have."""
    differing = {}

    for at in range(0, len(PACKED), 3):
        damaged = PACKED[:at] + bytes([PACKED[at] ^ 0x81]) + PACKED[at + 1 :]
        container = seal_install(containers.manifest(2), damaged, containers.KEY)
        device = containers.device()
        host, board = host_says(device, container), exchange.push(device, container)
        left_to_board = host == Status.OK and (board in BOARDS_OWN or board.name.startswith("CHECK_"))
        if host != board and not left_to_board:
            differing[at] = host, board

    assert differing == {}


IDENTITY = Identity(
    board="nrf52840dk",
    class_id=containers.BOARD.class_id,
    build_id=containers.BUILD_ID,
    level=LEVEL,
    contract_id=CONTRACT_ID,
    slots_free=8,
    slots_total=8,
    uptime_ms=0,
    keys=(containers.KEY.public.fingerprint,),
    slot_bytes=4096,
    comparators=6,
)


def test_a_board_without_keys_is_told_apart():
    with pytest.raises(KeyRefused, match=STATUS_TEXT[Status.NO_KEYS]):
        precheck.check_signature(open_envelope(containers.install()), replace(IDENTITY, keys=()), [])


def test_a_key_that_this_host_does_not_hold_is_left_to_the_board():
    foreign = open_envelope(containers.install(key=containers.OTHER_KEY))
    both = replace(
        IDENTITY, keys=(containers.KEY.public.fingerprint, containers.OTHER_KEY.public.fingerprint)
    )

    precheck.check_signature(foreign, IDENTITY, [])
    precheck.check_signature(foreign, both, [containers.KEY.public])
    with pytest.raises(KeyRefused):
        precheck.check_signature(foreign, IDENTITY, [containers.KEY.public])


def test_another_build_is_named_in_the_hint():
    manifest = containers.manifest(2, build_id=b"\xab" * 20)

    with pytest.raises(TargetMismatch) as refusal:
        precheck.check_target(manifest, IDENTITY)

    assert "made for build abababababab, the board runs 000102030405" in refusal.value.hint


def test_states_of_a_board_read_back():
    device = containers.device()
    exchange.push(device, containers.install())

    (patch,) = reports.read_patches(cbor2.dumps(exchange.get(device, "hp/patches")))

    assert (patch.id, patch.sequence, patch.state) == ("sample", 2, PatchState.TRIAL)
    assert patch.digest == open_envelope(containers.install()).digest
    assert (patch.armed, patch.sites) == (True, (containers.SITE,))
