"""Stop 11 of 12. A gdb remote stub: a debugger on a running board, over TCP.

Takes a Machine and one gdb client; gives registers, memory, breakpoints, step, continue and interrupt
(GDB manual, appendix E, Remote Serial Protocol). While gdb is attached the core halts at breakpoint
instructions, as with C_DEBUGEN on silicon. Next: machine.py
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Final

from patchctl.emulator.breakpoints import resume, set_breakpoints
from patchctl.emulator.machine import Machine
from patchctl.errors import InputError, LinkError

_GENERAL: Final = (*(f"r{index}" for index in range(13)), "sp", "lr", "pc", "xpsr")
_SYSTEM: Final = ("msp", "psp", "control")
_READ_BYTES: Final = 4096
_PACKET_BYTES: Final = 4096
_STOPPED: Final = "S05"  # SIGTRAP
_INTERRUPTED: Final = "S02"  # SIGINT
_TRAP: Final = b"\x03"
_STEP_US: Final = 5_000  # how long a step may wait for an interrupt that ends a WFI
_HALTED_WAIT_S: Final = 0.02


def target_description() -> str:
    """The registers as gdb's M-profile feature names them (GDB manual, G.5.3)."""
    types = {"sp": "data_ptr", "pc": "code_ptr"}
    rows = "".join(f'<reg name="{n}" bitsize="32" type="{types.get(n, "int")}"/>' for n in _GENERAL)
    system = "".join(f'<reg name="{n}" bitsize="32" type="int"/>' for n in _SYSTEM)
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">'
        "<target><architecture>arm</architecture>"
        f'<feature name="org.gnu.gdb.arm.m-profile">{rows}</feature>'
        f'<feature name="org.gnu.gdb.arm.m-system">{system}</feature></target>'
    )


def frame(text: str) -> bytes:
    """A packet: $text#checksum."""
    data = text.encode("latin-1")
    return b"$%s#%02x" % (data, sum(data) & 0xFF)


class Debugger:
    """What gdb's requests do to a machine; knows nothing of sockets."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.running = False
        self.attached = True
        machine.system.debug.debugger = True
        self._description = target_description()

    def answer(self, packet: str) -> str | None:
        """The reply to one request; None where it comes later or never. Unknown requests give ""."""
        if packet.startswith("qSupported"):
            return f"PacketSize={_PACKET_BYTES:x};qXfer:features:read+;swbreak+;hwbreak+"
        if packet.startswith("qXfer:features:read:target.xml:"):
            return self._describe(packet.rpartition(":")[2])
        if packet[:2] in ("vC", "vM"):  # vCont?, vMustReplyEmpty: empty makes gdb use c and s
            return ""
        handler = self._HANDLERS.get(packet[:1])
        if handler is None:
            return ""
        try:
            return handler(self, packet[1:])
        except (InputError, ValueError, IndexError):
            return "E01"

    def run(self, us: int) -> str | None:
        """Let the board run for `us` of its time; the stop reply if a breakpoint ended that."""
        self.machine.run_us(us)
        if not self.machine.core.debug_halted:
            return None
        self.running = False
        return _STOPPED

    def release(self) -> None:
        """The debugger goes away; the board runs on alone, and a patch at the very pc runs, as it should."""
        self.attached = False
        self.machine.core.debug_halted = ""
        set_breakpoints(self.machine, frozenset())
        self.machine.system.debug.debugger = False

    # Requests ----------------------------------------------------------------------------------------------

    def _describe(self, place: str) -> str:
        offset, length = (int(word, 16) for word in place.split(","))
        piece = self._description[offset : offset + length]
        return ("m" if offset + length < len(self._description) else "l") + piece

    def _why(self, _rest: str) -> str:
        return _STOPPED

    def _read_registers(self, _rest: str) -> str:
        return "".join(_hex(value) for value in self._values())

    def _values(self) -> list[int]:
        values = self.machine.registers()
        return [values[name] for name in (*_GENERAL, *_SYSTEM)]

    def _write_registers(self, rest: str) -> str:
        for number in range(len(_GENERAL)):
            self._set(number, _number(rest[8 * number : 8 * number + 8]))
        return "OK"

    def _read_register(self, rest: str) -> str:
        return _hex(self._values()[int(rest, 16)])

    def _write_register(self, rest: str) -> str:
        number, _, value = rest.partition("=")
        self._set(int(number, 16), _number(value))
        return "OK"

    def _set(self, number: int, value: int) -> None:
        name = (*_GENERAL, *_SYSTEM)[number]
        if name == "pc":
            self.machine.core.pc = value & ~1
        else:
            self.machine.cpu.batch(name).write(value)

    def _read_memory(self, rest: str) -> str:
        address, count = (int(word, 16) for word in rest.split(","))
        return self.machine.read_memory(address, count).hex()

    def _write_memory(self, rest: str) -> str:
        place, _, data = rest.partition(":")
        self.machine.write_memory(int(place.split(",")[0], 16), bytes.fromhex(data))
        return "OK"

    def _insert(self, rest: str) -> str:
        return self._breakpoint(rest, True)

    def _remove(self, rest: str) -> str:
        return self._breakpoint(rest, False)

    def _breakpoint(self, rest: str, wanted: bool) -> str:
        kind, address, _ = rest.split(",")
        if kind not in ("0", "1"):
            return ""  # watchpoints: gdb then steps by itself
        place = {int(address, 16) & ~1}
        armed = self.machine.breakpoints
        set_breakpoints(self.machine, armed | place if wanted else armed - place)
        return "OK"

    def _go(self, _rest: str) -> None:
        self.running = True
        resume(self.machine)

    def _step(self, _rest: str) -> str:
        before = self.machine.instructions
        resume(self.machine)
        if self.machine.instructions == before:
            self.machine.run(self.machine.clock.cycles_of_us(_STEP_US), instructions=1)
        return _STOPPED

    def _detach(self, _rest: str) -> str:
        self.release()
        return "OK"

    def _kill(self, _rest: str) -> None:
        self.release()

    def _thread(self, _rest: str) -> str:
        return "OK"

    _HANDLERS: Final = {
        "?": _why, "g": _read_registers, "G": _write_registers, "p": _read_register, "P": _write_register,
        "m": _read_memory, "M": _write_memory, "Z": _insert, "z": _remove, "c": _go, "s": _step,
        "D": _detach, "k": _kill, "H": _thread, "T": _thread,
    }  # fmt: skip


class GdbServer:
    """Waits on a TCP port for one gdb at a time; advance() is called in place of Machine.run_us."""

    def __init__(self, machine: Machine, port: int = 0) -> None:
        try:
            self._server = socket.create_server(("127.0.0.1", port))
        except OSError as problem:
            raise LinkError(f"cannot listen on port {port}: {problem.strerror}") from problem
        self.machine = machine
        self.port: int = self._server.getsockname()[1]
        self._client: socket.socket | None = None
        self._debugger: Debugger | None = None
        self._heard = b""

    def advance(self, us: int) -> None:
        """Serve gdb, then run the board for `us` of its time unless gdb holds it."""
        self._listen()
        if self._debugger is None:
            self.machine.run_us(us)
        elif self._debugger.running:
            self._send(self._debugger.run(us))

    def close(self) -> None:
        """Let the board and the port go."""
        self._disconnect()
        self._server.close()

    def _listen(self) -> None:
        halted = self._debugger is not None and not self._debugger.running
        waited_on = self._client or self._server
        ready, _, _ = select.select([waited_on], [], [], _HALTED_WAIT_S if halted else 0)
        if not ready:
            return
        if self._client is None:
            self._client, self._heard = self._server.accept()[0], b""
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._debugger = Debugger(self.machine)
            return
        try:
            data = self._client.recv(_READ_BYTES)
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self._disconnect()

    def _take(self, data: bytes) -> None:
        self._heard += data
        while self._heard and self._debugger is not None:
            if self._heard.startswith(b"$"):
                end = self._heard.find(b"#")
                if end < 0 or len(self._heard) < end + 3:
                    return
                packet, self._heard = self._heard[1:end], self._heard[end + 3 :]
                self._write(b"+")
                self._send(self._debugger.answer(packet.decode("latin-1")))
                if not self._debugger.attached:
                    self._disconnect()
            else:
                first, self._heard = self._heard[:1], self._heard[1:]
                if first == _TRAP and self._debugger.running:
                    self._debugger.running = False
                    self._send(_INTERRUPTED)

    def _send(self, reply: str | None) -> None:
        if reply is not None:
            self._write(frame(reply))

    def _write(self, data: bytes) -> None:
        if self._client is not None:
            with contextlib.suppress(OSError):  # gdb went away: the next read says so
                self._client.sendall(data)

    def _disconnect(self) -> None:
        if self._debugger is not None and self._debugger.attached:
            self._debugger.release()
        if self._client is not None:
            self._client.close()
        self._client = self._debugger = None


def _hex(value: int) -> str:
    return value.to_bytes(4, "little").hex()


def _number(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")
