"""Stop 8 of 12. The board's side of the serial line: what is a frame, what is console text."""

import tomllib
from pathlib import Path

import pytest
from patchctl.contract import Counter
from patchctl.link.slipmux import Console, Decoder, Message, fcs16, frame, frame_message

from tests.runtime import containers

PING = bytes.fromhex("40000001")
RESET = bytes.fromhex("70000001")
END, ESC = b"\xc0", b"\xdb"


VECTORS = Path(__file__).parents[1] / "vectors/slipmux/frames.toml"
LINES = tomllib.loads(VECTORS.read_text())["line"]


@pytest.fixture
def device():
    return containers.device()


def test_a_ping_is_answered_by_a_reset(device):
    assert device.exchange(PING) == RESET


def test_bytes_outside_frames_are_console_bytes(device):
    device.feed(b"print(1)\r" + frame_message(PING) + b"2\r")

    assert bytes(device.console) == b"print(1)\r2\r"
    assert device.take() == [Message(RESET)]


def test_every_split_of_the_bytes_gives_the_same(device):
    stream = b"a" + frame_message(PING) + b"b"
    for cut in range(len(stream) + 1):
        device.console.clear()
        device.feed(stream[:cut])
        device.feed(stream[cut:])

        assert (bytes(device.console), device.take()) == (b"ab", [Message(RESET)])


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {0xA9, 0xC0}))
def test_an_end_that_no_frame_follows_is_forgotten(device, kind):
    device.feed(END + bytes([kind]) + b"x")

    assert bytes(device.console) == bytes([kind]) + b"x"


def test_frames_may_be_led_by_any_number_of_ends(device):
    device.feed(END * 5 + frame_message(PING))

    assert device.take() == [Message(RESET)]


BROKEN = [
    (frame(b"\xa9" + PING + b"\x00\x00"), "a wrong checksum"),
    (frame(b"\xa9"), "no checksum"),
    (END + b"\xa9\x40\x00\xdb\xc0", "an aborting escape"),
    (END + b"\xa9\x40\xdb\x00\x00\x01" + END, "an escape of nothing"),
    (END + b"\xa9" + bytes(1279), "more bytes than a frame has"),
]


@pytest.mark.parametrize(("data", "_why"), BROKEN)
def test_a_bad_frame_is_dropped_counted_and_the_next_one_is_served(device, data, _why):
    device.feed(data)
    device.feed(frame_message(PING))

    assert device.take() == [Message(RESET)]
    assert device.counter(Counter.FRAMES_DROPPED) == 1
    assert bytes(device.console) == b""


def test_every_flipped_bit_of_a_frames_inside_is_noticed(device):
    body = bytearray(frame_message(PING)[1:-1])
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        device.feed(END + bytes(changed) + END)
        device.now_ms += 200
        device.poll()

        assert device.take() == []


@pytest.mark.parametrize(("silence_ms", "answers"), [(199, [Message(RESET)]), (200, [])])
def test_a_frame_is_given_up_after_a_fifth_of_a_second(device, silence_ms, answers):
    whole = frame_message(PING)

    device.feed(whole[:4])
    device.now_ms += silence_ms
    device.feed(whole[4:])

    assert device.take() == answers


def test_the_clock_may_wrap_inside_a_frame(device):
    whole = frame_message(PING)

    device.now_ms = 0xFFFF_FFF0
    device.feed(whole[:4])
    device.now_ms = 0x10
    device.feed(whole[4:])

    assert device.take() == [Message(RESET)]


def test_a_session_opens_with_a_frame_and_text_then_travels_in_frames(device):
    device.print(b"plain")
    before = bytes(device.sent)
    device.sent.clear()
    device.exchange(PING)
    device.print(b"framed \xc0\xdb")

    assert before == b"plain"
    assert device.session
    assert bytes(device.sent) == frame(b"\x0aframed \xc0\xdb")
    assert device.take() == [Console(b"framed \xc0\xdb")]


@pytest.mark.parametrize(("idle_ms", "still_open"), [(2999, True), (3000, False)])
def test_a_session_closes_three_seconds_after_its_last_frame(device, idle_ms, still_open):
    device.exchange(PING)
    device.now_ms += idle_ms
    device.poll()

    assert device.session is still_open


def test_a_session_closes_at_a_console_byte(device):
    device.exchange(PING)
    device.feed(b"x")

    assert not device.session


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["about"])
def test_both_ends_take_the_same_bytes_for_the_same(device, line):
    checksum = (fcs16(b"\xa9" + PING) ^ 0xFFFF).to_bytes(2, "little").hex()
    data = bytes.fromhex(line["bytes"].replace("{fcs}", checksum))
    events = Decoder(receives_diagnostics=False).feed(data, 0.0)
    device.feed(data)

    assert b"".join(event.data for event in events if isinstance(event, Console)).hex() == line["console"]
    assert [event.data.hex() for event in events if isinstance(event, Message)] == line["messages"]
    assert bytes(device.console).hex() == line["console"]
    assert device.counter(Counter.FRAMES) == len(line["messages"])
