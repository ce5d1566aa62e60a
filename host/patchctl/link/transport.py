"""Stop 7 of 12. CoAP over slipmux: requests in, answers out, on the link's own clock.

Takes a Link; gives a Session that blocks until a board has answered. aiocoap (RFC 7252, RFC 7959) does
the protocol; it runs on an event loop whose time is the link's, so that an emulated board and its host
share one virtual clock and a push repeats exactly. Next: patchctl/client.py
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiocoap import Context, Message, error, interfaces
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import CONTINUE, GET, POST, PUT, Code
from aiocoap.numbers.constants import TransportTuning
from aiocoap.tokenmanager import TokenManager

from patchctl.errors import LinkError
from patchctl.link import slipmux
from patchctl.link.base import Link

BLOCK_SIZE_EXPONENT = 4  # RFC 7959: 2 ** (4 + 4) = 256 bytes, one frame well below slipmux's limit
SEPARATE_ANSWER_S = 30.0
_IDLE_READ_S = 0.5
_TOKEN_BYTES = 4
_LOGGER = "patchctl.coap"

_T = TypeVar("_T")
Progress = Callable[[int, int], None]

logging.getLogger(_LOGGER).addHandler(logging.NullHandler())


class _Tuning(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """A serial line answers at once or not at all: asks at 0, 1, 3 and 7 s, gives up at 15 s."""

    ACK_TIMEOUT = 1.0
    ACK_RANDOM_FACTOR = 1.0
    MAX_RETRANSMIT = 3


class _Remote(interfaces.EndpointAddress):  # type: ignore[misc]
    """The one peer at the other end of a line."""

    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False
    maximum_block_size_exp = BLOCK_SIZE_EXPONENT
    hostinfo = hostinfo_local = uri_base = uri_base_local = blockwise_key = ""  # set per object

    def __init__(self, name: str) -> None:
        self.hostinfo = self.hostinfo_local = self.blockwise_key = name
        self.uri_base = self.uri_base_local = f"coap://{name}"


class _Line(interfaces.MessageInterface):  # type: ignore[misc]
    """aiocoap's view of the link: messages with an address, here always the same one."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.remote = _Remote(link.name)

    def send(self, message: Message) -> None:
        self._link.write(slipmux.frame_message(message.encode()))

    async def recognize_remote(self, remote: object) -> bool:
        return remote is self.remote

    async def determine_remote(self, message: Message) -> _Remote:  # noqa: ARG002 - aiocoap's interface
        return self.remote

    async def shutdown(self) -> None:
        """The session closes the link itself."""


class _Tokens(TokenManager):  # type: ignore[misc]
    """Counts tokens up from `first`."""

    def __init__(self, context: Context, first: int) -> None:
        super().__init__(context)
        self._next = first

    def next_token(self) -> bytes:
        self._next = (self._next + 1) % (1 << 8 * _TOKEN_BYTES)
        return self._next.to_bytes(_TOKEN_BYTES, "big")


class _LinkSelector(selectors.SelectSelector):
    """Where the loop would wait for sockets, it waits for the link."""

    def __init__(self, link: Link, deliver: Callable[[bytes], None]) -> None:
        super().__init__()
        self._link = link
        self._deliver = deliver
        self.detached = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self.detached:
            self._deliver(self._link.read(_IDLE_READ_S if timeout is None else max(timeout, 0.0)))
        return []


class _LinkLoop(asyncio.SelectorEventLoop):
    """An event loop on the link's clock."""

    def __init__(self, link: Link, deliver: Callable[[bytes], None]) -> None:
        self._link = link
        self.link_selector = _LinkSelector(link, deliver)
        super().__init__(self.link_selector)

    def time(self) -> float:
        return self._link.now_s()


class Session:
    """Requests to one board, one after the other, and the console text that comes between."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._decoder = slipmux.Decoder()
        self._console = bytearray()
        self._answered = False
        self._loop = _LinkLoop(link, self._deliver)
        self._context, self._messages, self._line = self._wire_up()

    def _wire_up(self) -> tuple[Context, MessageManager, _Line]:
        """aiocoap's layers by hand: its own constructors know only their own transports."""
        repeated = random.Random(int(self._link.now_s() * 1000))
        source = repeated if self._link.repeatable else secrets.SystemRandom()
        context = Context(loop=self._loop, loggername=_LOGGER)
        tokens = _Tokens(context, source.getrandbits(8 * _TOKEN_BYTES))
        messages = MessageManager(tokens)
        messages.message_id = source.getrandbits(16)
        messages.message_interface = line = _Line(self._link)
        tokens.token_interface = messages
        context.request_interfaces.append(tokens)
        return context, messages, line

    def get(self, path: str) -> Message:
        """The answer to GET `path`, put together from its blocks."""
        return self._run(self._exchange(GET, path, b""))

    def post(self, path: str, payload: bytes = b"") -> Message:
        """The answer to POST `path`."""
        return self._run(self._exchange(POST, path, payload))

    def put(self, path: str, body: bytes, progress: Progress) -> Message:
        """The board's last answer to `body`, sent in blocks; `progress` hears (bytes taken, bytes in all)."""
        return self._run(self._put(path, body, progress))

    def wait(self, duration_s: float) -> None:
        """Lets the link's time pass; what arrives is kept."""
        self._run(asyncio.sleep(duration_s))

    def take_console(self) -> bytes:
        """Console bytes since the last call."""
        taken = bytes(self._console)
        self._console.clear()
        return taken

    def write_console(self, data: bytes) -> None:
        """Sends console bytes; END, which no UTF-8 text holds, is left out."""
        self._link.write(data.replace(bytes([slipmux.END]), b""))

    def close(self) -> None:
        """Ends the conversation without touching the link, which stays open."""
        if self._loop.is_closed():
            return
        self._loop.link_selector.detached = True
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True) if tasks else _nothing())
        self._loop.run_until_complete(self._context.shutdown())
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._loop.run_until_complete(work)

    def _deliver(self, data: bytes) -> None:
        """Sorts what the link gave: console bytes to the buffer, messages to aiocoap."""
        now_s = self._link.now_s()
        events = self._decoder.feed(data, now_s) if data else self._decoder.expire(now_s)
        for event in events:
            if isinstance(event, slipmux.Console):
                self._console += event.data
            elif isinstance(event, slipmux.Message):
                self._dispatch(event.data)

    def _dispatch(self, datagram: bytes) -> None:
        try:
            message = Message.decode(datagram, remote=self._line.remote)
        except error.UnparsableMessage:
            return  # as if the line had swallowed it: the request is sent again
        self._answered = True
        self._messages.dispatch_message(message)

    async def _put(self, path: str, body: bytes, progress: Progress) -> Message:
        exponent, offset = BLOCK_SIZE_EXPONENT, 0
        while True:
            size = 1 << (exponent + 4)
            block, more = body[offset : offset + size], offset + size < len(body)
            size1 = len(body) if offset == 0 else None
            answer = await self._exchange(PUT, path, block, (offset // size, more, exponent), size1)
            if not answer.code.is_successful():
                return answer
            offset += len(block)
            progress(offset, len(body))
            if not more:
                return answer
            if answer.code != CONTINUE or answer.opt.block1 is None:
                raise LinkError("the board broke the transfer's rules (RFC 7959)", where=self._link.name)
            exponent = min(exponent, answer.opt.block1.size_exponent)

    async def _exchange(
        self,
        code: Code,
        path: str,
        payload: bytes,
        block1: tuple[int, bool, int] | None = None,
        size1: int | None = None,
    ) -> Message:
        message = Message(code=code, payload=payload, transport_tuning=_Tuning())
        message.remote = self._line.remote
        message.opt.uri_path = tuple(path.split("/"))
        message.opt.block1, message.opt.size1 = block1, size1
        request = self._context.request(message, handle_blockwise=block1 is None)
        try:
            return await asyncio.wait_for(request.response, SEPARATE_ANSWER_S)
        except (error.Error, TimeoutError) as problem:
            raise self._no_answer(problem) from problem

    def _no_answer(self, problem: Exception) -> LinkError:
        if isinstance(problem, error.MessageError):
            return LinkError(
                "the board does not speak this protocol (it sent a reset)", where=self._link.name
            )
        if self._answered:
            return LinkError(
                "the board stopped answering",
                where=self._link.name,
                hint="check cable and power, then run the same command again",
            )
        return LinkError(
            "no answer from the board",
            where=self._link.name,
            hint="is it the right port and speed, and does the firmware have the patch runtime?",
        )


async def _nothing() -> None:
    """Something to run where there is nothing to wait for."""
