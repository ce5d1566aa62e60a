"""Stop 8 of 12. Requests as RFC 7252 and RFC 7959 have them, made by aiocoap."""

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.types import Type
from aiocoap.optiontypes import BlockOption
from patchctl.contract import LEVEL, Counter, IdentityKey, Status

from tests.native import BUILD_ID, NativeDevice
from tests.runtime import containers, exchange

BLOCK = BlockOption.BlockwiseTuple


@pytest.fixture
def device():
    return containers.device()


def test_identity_says_which_board_and_build_this_is(device):
    identity = exchange.get(device, "hp/id")

    assert identity[IdentityKey.BOARD] == device.board.name
    assert identity[IdentityKey.CLASS_ID] == device.board.class_id
    assert identity[IdentityKey.BUILD_ID] == BUILD_ID
    assert identity[IdentityKey.LEVEL] == LEVEL
    assert identity[IdentityKey.KEYS] == [containers.KEY.public.fingerprint]
    assert identity[IdentityKey.SLOTS_FREE] == identity[IdentityKey.SLOTS_TOTAL] == 8


class Ticking(NativeDevice):
    """A board on which a millisecond passes whenever the core looks at the clock."""

    @property
    def now_ms(self):
        self._now_ms += 1
        return self._now_ms

    @now_ms.setter
    def now_ms(self, value):
        self._now_ms = value


@pytest.mark.parametrize("edge_ms", [24, 256, 65536])
def test_a_representation_that_grows_while_it_is_written_is_whole(device, edge_ms):
    ticking = Ticking(device.flash)
    for start_ms in range(edge_ms - 12, edge_ms + 2):
        ticking.now_ms = start_ms

        assert edge_ms - 12 < exchange.get(ticking, "hp/id")[IdentityKey.UPTIME_MS] < edge_ms + 24


def test_counters_are_all_there(device):
    assert sorted(exchange.get(device, "hp/counters")) == sorted(Counter)


@pytest.mark.parametrize("exponent", range(7))
def test_any_block_size_gives_the_same_representation(device, exponent):
    whole = exchange.get(device, "hp/id")
    size, number, data, more = min(16 << exponent, 256), 0, b"", True
    while more:
        asked = BLOCK(number, False, exponent if number == 0 else min(exponent, 4))
        answer = exchange.ask(device, exchange.request(device, aiocoap.GET, "hp/id", block2=asked))
        block = answer.opt.block2
        data, number, more = data + answer.payload, number + 1, block.more
        assert len(answer.payload) == size or not more
        assert block.size == size

    assert cbor2.loads(data).keys() == whole.keys()


def test_a_block_behind_the_end_is_a_bad_request(device):
    message = exchange.request(device, aiocoap.GET, "hp/id", block2=BLOCK(9, False, 4))

    assert exchange.ask(device, message).code == aiocoap.BAD_REQUEST


REFUSED = [
    (aiocoap.GET, "hp/nothing", Status.NOT_FOUND),
    (aiocoap.GET, "hp", Status.NOT_FOUND),
    (aiocoap.GET, "hp/id/more", Status.NOT_FOUND),
    (aiocoap.GET, "a/b/c/d/e/f/g", Status.NOT_FOUND),
    (aiocoap.POST, "hp/id", Status.METHOD_NOT_ALLOWED),
    (aiocoap.DELETE, "hp/patches", Status.METHOD_NOT_ALLOWED),
    (aiocoap.GET, "hp/patches/x/confirm", Status.METHOD_NOT_ALLOWED),
    (aiocoap.POST, "hp/patches/x/confirm", Status.NOT_FOUND),
]


@pytest.mark.parametrize(("code", "path", "status"), REFUSED)
def test_what_does_not_exist_is_refused_by_name(device, code, path, status):
    answer = exchange.ask(device, exchange.request(device, code, path))

    assert exchange.status_of(answer) == status
    assert answer.code.dotted == {"NOT_FOUND": "4.04", "METHOD_NOT_ALLOWED": "4.05"}[status.name]


def test_an_unknown_critical_option_is_refused_and_an_elective_one_is_not(device):
    for option, expected in (("proxy_uri", aiocoap.BAD_OPTION), ("size1", aiocoap.CONTENT)):
        message = exchange.request(device, aiocoap.GET, "hp/id", **{option: "x" if option[0] == "p" else 1})

        assert exchange.ask(device, message).code == expected


def test_a_repeated_request_gets_the_same_answer_and_is_not_served_again(device):
    message = exchange.request(device, aiocoap.GET, "hp/counters").encode()

    first, second = device.exchange(message), device.exchange(message)

    assert first == second
    assert device.counter(Counter.REQUESTS) == 1


def test_an_equal_message_id_with_another_token_is_another_request(device):
    first = exchange.request(device, aiocoap.GET, "hp/id")
    device.exchange(first.encode())
    second = first.copy(token=b"other")

    assert exchange.ask(device, second).token == b"other"


@pytest.mark.parametrize(("after_ms", "served"), [(246_999, 1), (247_000, 2)])
def test_a_message_id_means_another_request_when_its_lifetime_is_over(device, after_ms, served):
    message = exchange.request(device, aiocoap.GET, "hp/counters").encode()
    device.exchange(message)
    device.now_ms += after_ms
    device.poll()
    device.exchange(message)

    assert device.counter(Counter.REQUESTS) == served


@pytest.mark.parametrize("change", [{"code": aiocoap.POST}, {"uri": "hp/id"}, {"payload": b"x"}])
def test_an_equal_message_id_and_token_with_other_contents_is_another_request(device, change):
    first = exchange.request(device, aiocoap.GET, "hp/counters")
    device.exchange(first.encode())
    second = exchange.request(device, aiocoap.GET, change.pop("uri", "hp/counters"))
    for name, value in {"mid": first.mid, "token": first.token, **change}.items():
        setattr(second, name, value)
    device.exchange(second.encode())

    assert device.counter(Counter.REQUESTS) == 2


def test_a_request_repeated_after_the_session_s_silence_is_still_the_same(device):
    container = containers.install()
    message = exchange.request(
        device, aiocoap.PUT, "hp/patches", container, block1=BLOCK(0, False, 6)
    ).encode()
    first = device.exchange(message)
    device.now_ms += 4000
    device.poll()

    assert not device.session
    assert device.exchange(message) == first


def test_a_request_that_wants_no_confirmation_gets_an_answer_of_its_own(device):
    message = exchange.request(device, aiocoap.GET, "hp/id")
    message.mtype = Type.NON

    answer = exchange.ask(device, message)

    assert (answer.mtype, answer.token) == (Type.NON, message.token)


SILENT = [b"", b"\x40", bytes.fromhex("60450001"), bytes.fromhex("70000001"), bytes.fromhex("c0010001")]
RESET = [
    ("49010001" + "00" * 9, "a token of nine bytes"),
    ("40010001f0", "a reserved option delta"),
    ("400100010f", "a reserved option length"),
    ("40010001b5ff", "an option cut off"),
    ("40010001ff", "a payload marker without payload"),
    ("4000000100", "bytes behind an empty message"),
    ("40450001", "a response nobody asked for"),
]


@pytest.mark.parametrize("message", SILENT)
def test_what_needs_no_answer_gets_none(device, message):
    assert device.exchange(message) == b""


@pytest.mark.parametrize(("message", "_why"), RESET)
def test_a_confirmable_message_that_makes_no_sense_is_reset(device, message, _why):
    assert device.exchange(bytes.fromhex(message)) == bytes.fromhex("70000001")


@pytest.mark.parametrize("exponent", range(7))
def test_a_container_comes_in_blocks_of_any_size(device, exponent):
    answer = exchange.put(device, containers.install(), exponent)

    assert (answer.code, exchange.status_of(answer)) == (aiocoap.CHANGED, Status.OK)


def test_a_missing_block_is_told_and_a_new_first_block_starts_over(device):
    container = containers.install()
    first = exchange.request(device, aiocoap.PUT, "hp/patches", container[:256], block1=BLOCK(0, True, 4))
    third = exchange.request(device, aiocoap.PUT, "hp/patches", container[512:], block1=BLOCK(2, False, 4))

    assert exchange.ask(device, first).code == aiocoap.CONTINUE
    assert exchange.status_of(exchange.ask(device, third)) == Status.INCOMPLETE
    assert exchange.push(device, container) == Status.OK


def test_a_transfer_broken_off_leaves_nothing_behind(device):
    container = containers.install()
    first = exchange.request(device, aiocoap.PUT, "hp/patches", bytes(256), block1=BLOCK(0, True, 4))
    exchange.ask(device, first)

    assert exchange.push(device, container) == Status.OK


def test_a_block_that_is_not_its_size_is_a_bad_request(device):
    message = exchange.request(device, aiocoap.PUT, "hp/patches", bytes(255), block1=BLOCK(0, True, 4))

    assert exchange.status_of(exchange.ask(device, message)) == Status.BAD_REQUEST


def test_more_than_the_stage_holds_is_too_large_and_the_stage_full_is_not(device):
    room = device.board.stage_bytes

    assert exchange.push(device, bytes(room)) == Status.MALFORMED
    assert exchange.push(device, bytes(room + 1)) == Status.TOO_LARGE
