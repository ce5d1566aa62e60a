"""Slipmux frames: console and messages on one line, and every way a frame can go wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patchctl.link import slipmux
from patchctl.link.slipmux import Console, Decoder, Dropped, Message

MESSAGE = b"\x40\x01\x12\x34"
FRAME = slipmux.frame_message(MESSAGE)


def test_the_checksum_is_crc_16_x_25():
    assert slipmux.fcs16(b"123456789") ^ 0xFFFF == 0x906E


def test_a_message_is_framed_with_its_checksum_low_byte_first():
    check = (slipmux.fcs16(b"\xa9" + MESSAGE) ^ 0xFFFF).to_bytes(2, "little")

    assert FRAME == b"\xc0\xa9" + MESSAGE + check + b"\xc0"


def test_end_and_escape_are_escaped_inside_a_frame():
    framed = slipmux.frame(b"\x0a\xc0\xdb")

    assert framed == bytes.fromhex("c0 0a dbdc dbdd c0")


@pytest.mark.parametrize(
    ("received", "events"),
    [
        (b"hello", [Console(b"hello")]),
        (FRAME, [Message(MESSAGE)]),
        (b"a" + FRAME + b"b", [Console(b"a"), Message(MESSAGE), Console(b"b")]),
        (FRAME + FRAME, [Message(MESSAGE), Message(MESSAGE)]),
        (b"\xc0\xc0" + FRAME[1:], [Message(MESSAGE)]),
        (slipmux.frame_diagnostic("ü\n".encode()), [Console("ü\n".encode())]),
        (slipmux.frame_diagnostic(b""), [Console(b"")]),
        (b"\xc0hello", [Console(b"hello")]),
        (b"\xc0\x45\x00", [Console(b"\x45\x00")]),
        (b"\xc0\xdb", [Console(b"\xdb")]),
        (FRAME[:3] + bytes([FRAME[3] ^ 1]) + FRAME[4:], [Dropped("bad checksum")]),
        (b"\xc0\xa9\xc0", [Dropped("bad checksum")]),
        (b"\xc0\xa9\x01\xdb\xc0x", [Dropped("aborted"), Console(b"x")]),
        (b"\xc0\xa9\x01\xdb\x01x", [Dropped("bad escape"), Console(b"x")]),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_bytes_are_sorted_into_console_and_messages(received, events):
    assert Decoder().feed(received, 0.0) == events


def test_a_board_takes_no_diagnostics():
    received = slipmux.frame_diagnostic(b"hello")

    assert Decoder(receives_diagnostics=False).feed(received[:-1], 0.0) == [Console(b"\x0ahello")]


@pytest.mark.parametrize(("size", "fits"), [(1276, True), (1277, False)])
def test_a_frame_ends_at_1279_bytes(size, fits):
    events = Decoder().feed(slipmux.frame_message(b"m" * size), 0.0)

    assert (events == [Message(b"m" * size)]) is fits
    assert (events[0] == Dropped("too long")) is not fits


@pytest.mark.parametrize(("silence_s", "kept"), [(0.19, True), (0.2, False)])
def test_a_frame_ends_after_200_ms_of_silence(silence_s, kept):
    decoder = Decoder()
    decoder.feed(FRAME[:4], 0.0)

    events = decoder.feed(FRAME[4:-1], silence_s) + decoder.feed(FRAME[-1:], silence_s)

    assert (Message(MESSAGE) in events) is kept
    assert (Dropped("broken off") in events) is not kept


def test_silence_between_frames_is_nothing():
    decoder = Decoder()
    decoder.feed(FRAME, 1.0)

    assert decoder.expire(100.0) == []


@given(st.lists(st.binary(max_size=40) | st.just(FRAME)), st.lists(st.integers(1, 7), min_size=1))
def test_how_bytes_are_cut_up_makes_no_difference(pieces, cuts):
    stream = b"".join(pieces)
    at_once = Decoder().feed(stream, 0.0)
    decoder, slowly, offset, turn = Decoder(), [], 0, 0
    while offset < len(stream):
        size = cuts[turn % len(cuts)]
        slowly += decoder.feed(stream[offset : offset + size], 0.0)
        offset, turn = offset + size, turn + 1

    assert _joined(slowly) == _joined(at_once)


def _joined(events):
    joined = []
    for event in events:
        if isinstance(event, Console) and joined and isinstance(joined[-1], Console):
            joined[-1] = Console(joined[-1].data + event.data)
        else:
            joined.append(event)
    return [event for event in joined if event != Console(b"")]


@given(st.binary(min_size=1, max_size=600))
def test_every_message_survives_its_frame(message):
    assert Decoder().feed(slipmux.frame_message(message), 0.0) == [Message(message)]


@given(st.binary(min_size=1, max_size=30), st.integers(0, 10_000))
def test_a_flipped_bit_never_gives_another_message(message, bit):
    framed = slipmux.frame_message(message)
    bit %= 8 * len(framed)
    noisy = framed[: bit // 8] + bytes([framed[bit // 8] ^ 1 << bit % 8]) + framed[bit // 8 + 1 :]

    heard = [event.data for event in Decoder().feed(noisy, 0.0) if isinstance(event, Message)]

    assert heard in ([], [message])
