"""Management requests are answered in the runtime's own interrupt, whatever the script does."""

from __future__ import annotations

import cbor2
import pytest
from patchctl.bench import Bench
from patchctl.contract import IdentityKey
from patchctl.emulator import Machine
from patchctl.link.slipmux import Console as Text
from patchctl.link.slipmux import Decoder, Message, frame_message

from tests.micropython.conftest import BOARDS, on
from tests.micropython.firmware import PROMPT, firmware_build_id

pytestmark = pytest.mark.parametrize("board", on(*BOARDS), indirect=True)

# CoAP (RFC 7252 section 3): confirmable GET, no token, message id 7, Uri-Path "hp" and "id".
GET_ID = bytes([0x40, 0x01, 0x00, 0x07]) + b"\xb2hp\x02id"
ACK_CONTENT = bytes([0x60, 0x45, 0x00, 0x07])

SCRIPTS = {
    "at the prompt": b"",
    "spinning": b"while True: pass\r\r",
    "asleep": b"import time; time.sleep(3600)\r",
    "printing": b"while True: print('x' * 70)\r\r",
    "spinning in machine code": b"@micropython.viper\rdef f():\r    while True: pass\r\rf()\r",
}


def events_of(machine: Machine, us: int) -> list[object]:
    """What the board sends in `us` microseconds, taken apart."""
    decoder = Decoder()
    machine.run_us(us)
    return list(decoder.feed(machine.serial.take(), 0.0))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_request_is_answered_while_a_script_runs(board: Bench, script: bytes) -> None:
    machine = board.machine
    machine.serial.feed(script)
    machine.run_us(100_000)
    machine.serial.take()
    machine.serial.feed(frame_message(GET_ID))
    messages = [event.data for event in events_of(machine, 100_000) if isinstance(event, Message)]
    assert len(messages) == 1
    assert messages[0].startswith(ACK_CONTENT)
    identity = cbor2.loads(messages[0].partition(b"\xff")[2])
    assert identity[IdentityKey.BOARD] == board.name
    assert identity[IdentityKey.BUILD_ID] == firmware_build_id(board.name)
    assert machine.faults == []


def test_console_text_travels_as_frames_during_a_session_and_plainly_after_it(board: Bench) -> None:
    machine = board.machine
    machine.serial.feed(frame_message(GET_ID))
    machine.run_until_output(b"\xc0")
    machine.serial.feed(b"import time\rfor i in range(9): time.sleep(1); print('tick', i)\r\r")
    machine.run_us(400_000)
    machine.serial.take()
    machine.serial.feed(frame_message(GET_ID))
    during = machine.serial
    machine.run_us(1_500_000)
    framed = during.take()
    assert b"\xc0\x0atick" in framed
    text = b"".join(event.data for event in Decoder().feed(framed, 0.0) if isinstance(event, Text))
    assert b"tick 0" in text
    machine.run_us(5_000_000)
    assert machine.serial.take().endswith(b"\r\n")
    machine.run_us(2_000_000)
    assert b"\xc0" not in machine.serial.take()


def test_a_frame_that_breaks_off_leaves_the_console_usable(board: Bench) -> None:
    machine = board.machine
    machine.serial.feed(frame_message(GET_ID)[:-6])
    machine.run_us(400_000)
    assert board.console("1+1") == "2"
    assert "'frames_dropped': 1" in board.console("import hotpatch; hotpatch.counters()")


def test_a_damaged_frame_is_not_answered_and_counted(board: Bench) -> None:
    machine = board.machine
    damaged = bytearray(frame_message(GET_ID))
    damaged[5] ^= 1
    machine.serial.feed(bytes(damaged))
    assert events_of(machine, 300_000) == []
    assert "'frames_dropped': 1" in board.console("import hotpatch; hotpatch.counters()")


def test_ctrl_c_reaches_a_spinning_script_after_a_request(board: Bench) -> None:
    machine = board.machine
    machine.serial.feed(b"while True: pass\r\r")
    machine.run_us(50_000)
    machine.serial.feed(frame_message(GET_ID))
    machine.run_us(50_000)
    machine.serial.take()
    machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in machine.run_until_output(PROMPT)
