"""Stops 8 and 9 of 12. Requests to a NativeDevice: CoAP messages, written by aiocoap.

Takes a device and a container; gives the board's status. Next: tests/native.py
"""

from __future__ import annotations

import aiocoap
import cbor2
from aiocoap.numbers.types import Type
from aiocoap.optiontypes import BlockOption
from patchctl.contract import ReplyKey, Status

from tests.native import NativeDevice

BLOCK_EXPONENT = 4


def request(
    device: NativeDevice, code: aiocoap.Code, path: str, payload: bytes = b"", **options
) -> aiocoap.Message:
    """A confirmable request with a fresh message id and token."""
    message_id = device.next_message_id()
    message = aiocoap.Message(
        code=code, _mtype=Type.CON, _mid=message_id, _token=message_id.to_bytes(2, "big"), payload=payload
    )
    message.opt.uri_path = tuple(path.split("/"))
    for name, value in options.items():
        setattr(message.opt, name, value)
    return message


def ask(device: NativeDevice, message: aiocoap.Message) -> aiocoap.Message:
    """The board's answer."""
    return aiocoap.Message.decode(device.exchange(message.encode()))


def get(device: NativeDevice, path: str) -> object:
    """The decoded representation of `path`, fetched block by block."""
    data, number, more = b"", 0, True
    while more:
        block = BlockOption.BlockwiseTuple(number, False, BLOCK_EXPONENT)
        answer = ask(device, request(device, aiocoap.GET, path, block2=block))
        assert answer.code == aiocoap.CONTENT, answer
        data += answer.payload
        more = answer.opt.block2.more
        number += 1
    return cbor2.loads(data)


def put(device: NativeDevice, container: bytes, exponent: int = BLOCK_EXPONENT) -> aiocoap.Message:
    """Sends `container` by Block1; the last answer, or the first that is not 2.31."""
    size = 16 << exponent
    starts = range(0, max(1, len(container)), size)
    for number, start in enumerate(starts):
        block = BlockOption.BlockwiseTuple(number, start + size < len(container), exponent)
        message = request(device, aiocoap.PUT, "hp/patches", container[start : start + size], block1=block)
        answer = ask(device, message)
        if answer.code != aiocoap.CONTINUE:
            break
    return answer


def status_of(answer: aiocoap.Message) -> Status:
    """The status in an answer's payload."""
    return Status(cbor2.loads(answer.payload)[ReplyKey.STATUS])


def push(device: NativeDevice, container: bytes) -> Status:
    """Sends `container`; the board's status."""
    return status_of(put(device, container))


def confirm(device: NativeDevice, patch_id: str) -> Status:
    """Keeps a trial, over the line."""
    return status_of(ask(device, request(device, aiocoap.POST, f"hp/patches/{patch_id}/confirm")))
