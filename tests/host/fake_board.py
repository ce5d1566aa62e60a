"""A board in memory, for the host's tests: slipmux and CoAP answered by the host's own codecs.

It admits containers with the host's own readers, so it judges the conversation, not the containers: those
are judged by the device core itself in tests/runtime.
"""

from __future__ import annotations

from collections.abc import Callable

from aiocoap import Message
from aiocoap.numbers import codes, types
from patchctl.board import load_board
from patchctl.contract import (
    CONTRACT_ID,
    LEVEL,
    Counter,
    Fault,
    IdentityKey,
    PatchKey,
    PatchState,
    ReplyKey,
    Status,
)
from patchctl.errors import InputError
from patchctl.link import slipmux
from patchctl.link.base import ClosesItself
from patchctl.package import cbor, payload, precheck, reports
from patchctl.package.envelope import open_envelope
from patchctl.package.signing import PublicKey

BOARD = load_board("nrf52840dk")
BUILD_ID = bytes(range(20))
_CODES = {Status.NOT_FOUND: codes.NOT_FOUND, Status.INCOMPLETE: codes.REQUEST_ENTITY_INCOMPLETE}


class FakeBoard(ClosesItself):
    """A Link whose other end is this object."""

    repeatable = True
    board_name = ""
    name = "fake:board"

    def __init__(self, *keys: PublicKey) -> None:
        self.keys = keys
        self.level, self.contract_id = LEVEL, CONTRACT_ID
        self.state: dict[str, dict[int, object]] = {}
        self.sent: list[bytes] = []
        self.output = bytearray()
        self.deaf_for = 0
        self.refuse: Callable[[bytes], tuple[Status, int | None] | None] = lambda container: None
        self.forget_at: int | None = None
        self.arms = True
        self.closed = False
        self._time_s = 0.0
        self._stage = bytearray()
        self._decoder = slipmux.Decoder(receives_diagnostics=False)

    def now_s(self) -> float:
        return self._time_s

    def read(self, timeout_s: float) -> bytes:
        if not self.output:
            self._time_s += timeout_s
        data = bytes(self.output)
        self.output.clear()
        return data

    def write(self, data: bytes) -> None:
        self._time_s += len(data) * 10 / 115_200
        self.sent.append(data)
        for event in self._decoder.feed(data, self._time_s):
            if isinstance(event, slipmux.Message):
                if self.deaf_for > 0:
                    self.deaf_for -= 1
                    continue
                self._answer(Message.decode(event.data))
            elif isinstance(event, slipmux.Console):
                self.output += event.data.upper()

    def close(self) -> None:
        self.closed = True

    def _answer(self, request: Message) -> None:
        code, body, block1 = self._serve(request)
        answer = Message(code=code, payload=body, _mtype=types.ACK, _mid=request.mid, _token=request.token)
        block2 = request.opt.block2
        size = 256 if block2 is None else block2.size
        number = 0 if block2 is None else block2.block_number
        if len(body) > size:
            answer.payload = body[number * size : (number + 1) * size]
            answer.opt.block2 = (number, (number + 1) * size < len(body), 4)
        answer.opt.block1 = block1
        self.output += slipmux.frame_message(answer.encode())

    def _serve(self, request: Message) -> tuple[codes.Code, bytes, tuple[int, bool, int] | None]:
        path = "/".join(request.opt.uri_path)
        if request.code == codes.GET and path == "hp/id":
            return codes.CONTENT, cbor.encode(self.identity()), None
        if request.code == codes.GET and path == "hp/counters":
            return codes.CONTENT, cbor.encode({counter: 0 for counter in Counter}), None
        if request.code == codes.GET and path == "hp/patches":
            return codes.CONTENT, cbor.encode(list(self.state.values())), None
        if request.code == codes.POST:
            return (*self._confirm(request.opt.uri_path[2]), None)
        return self._receive(request)

    def identity(self) -> dict[int, object]:
        return {
            IdentityKey.BOARD: BOARD.name,
            IdentityKey.CLASS_ID: BOARD.class_id,
            IdentityKey.BUILD_ID: BUILD_ID,
            IdentityKey.LEVEL: self.level,
            IdentityKey.CONTRACT_ID: self.contract_id,
            IdentityKey.SLOTS_FREE: 8 - len(self.state),
            IdentityKey.SLOTS_TOTAL: 8,
            IdentityKey.UPTIME_MS: int(self._time_s * 1000),
            IdentityKey.KEYS: [key.fingerprint for key in self.keys],
            IdentityKey.SLOT_BYTES: BOARD.slot_bytes,
            IdentityKey.COMPARATORS: 6,
        }

    def _confirm(self, patch_id: str) -> tuple[codes.Code, bytes]:
        if patch_id not in self.state:
            return self._refusal(Status.NOT_FOUND, None)
        self.state[patch_id][PatchKey.STATE] = PatchState.UPDATED
        return codes.CHANGED, cbor.encode({ReplyKey.STATUS: Status.OK})

    def _receive(self, request: Message) -> tuple[codes.Code, bytes, tuple[int, bool, int] | None]:
        block = request.opt.block1
        echo = (block.block_number, block.more, block.size_exponent)
        if block.block_number == 0:
            self._stage.clear()
        if block.block_number == self.forget_at:
            self.forget_at = None
            return (*self._refusal(Status.INCOMPLETE, None), None)
        self._stage += request.payload
        if block.more:
            return codes.CONTINUE, b"", echo
        return (*self._admit(bytes(self._stage)), echo)

    def _admit(self, container: bytes) -> tuple[codes.Code, bytes]:
        refused = self.refuse(container)
        if refused is not None:
            return self._refusal(*refused)
        try:
            identity = reports.read_identity(cbor.encode(self.identity()))
            installed = reports.read_patches(cbor.encode(list(self.state.values())))
            manifest = precheck.precheck(container, identity, installed, self.keys)
        except InputError as problem:
            text = problem.what
            return self._refusal(next(status for status in Status if _text(status) == text), None)
        envelope = open_envelope(container)
        old = self.state.get(manifest.patch_id)
        if old is None or old[PatchKey.DIGEST] != envelope.digest:
            sites = payload.unpack(envelope.payload).sites if envelope.payload else ()
            self.state[manifest.patch_id] = {
                PatchKey.ID: manifest.patch_id,
                PatchKey.SEQUENCE: manifest.sequence,
                PatchKey.STATE: PatchState.TRIAL if manifest.installs else PatchState.UNDONE,
                PatchKey.DIGEST: envelope.digest,
                PatchKey.HITS: 0,
                PatchKey.SAFE_VERDICTS: 0,
                PatchKey.LAST_FAULT: Fault.NONE,
                PatchKey.SITES: [site.address for site in sites],
                PatchKey.ARMED: manifest.installs and self.arms,
            }
        return codes.CHANGED, cbor.encode({ReplyKey.STATUS: Status.OK})

    def _refusal(self, status: Status, detail: int | None) -> tuple[codes.Code, bytes]:
        body = {ReplyKey.STATUS: status} | ({} if detail is None else {ReplyKey.DETAIL: detail})
        return _CODES.get(status, codes.BAD_REQUEST), cbor.encode(body)


def _text(status: Status) -> str:
    from patchctl.contract import STATUS_TEXT

    return STATUS_TEXT[status]
