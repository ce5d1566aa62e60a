"""The gdb stub, by the real gdb-multiarch in batch mode where it is installed, and request by request."""

import re
import shutil
import socket
import subprocess
import threading
from itertools import count

import pytest
from emulator_boards import BOARDS, firmware
from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.emulator.gdb import Debugger, GdbServer, frame
from patchctl.errors import LinkError

GDB = shutil.which("gdb-multiarch")


def image(name):
    return firmware("echo", load_board(name).chip.core, name)


@pytest.fixture(params=BOARDS)
def machine(request):
    machine = Machine(load_board(request.param), image(request.param))
    machine.run_until_output(b"ready\n")
    return machine


@pytest.fixture
def port(machine):
    """A server whose board runs in a thread from gdb's arrival until the test ends."""
    server, stop = GdbServer(machine), threading.Event()

    def body():
        while not stop.is_set() and not machine.system.debug.debugger:
            server.advance(0)
            stop.wait(0.01)
        while not stop.is_set():
            server.advance(1_000)

    thread = threading.Thread(target=body)
    thread.start()
    yield server.port
    stop.set()
    thread.join()
    server.close()


def by_gdb(machine, port, tmp_path, *commands):
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(image(machine.board.name))
    remote = f"target remote 127.0.0.1:{port}"
    arguments = [word for command in (remote, *commands) for word in ("-ex", command)]
    done = subprocess.run(
        [GDB, "-nx", "-batch", *arguments, str(elf)],
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.skipif(GDB is None, reason="apt-get install gdb-multiarch")
def test_gdb_breaks_steps_reads_writes_and_detaches(machine, port, tmp_path):
    machine.serial.feed(b"a")

    output = by_gdb(
        machine, port, tmp_path,
        "hbreak Uart_Handler", "continue", "backtrace 1", "stepi", "print/x $xpsr & 0x1ff",
        "break put", "continue", "set $r0 = 'Z'", "print/c $r0",
        "x/1xw 0x20000000", "set *(unsigned *)0x20000000 = 0x12345678", "x/1xw 0x20000000",
        "delete", "detach",
    )  # fmt: skip

    assert "Breakpoint 1" in output and "Uart_Handler" in output, output
    line = machine.board.chip.device_named(machine.board.link.device).irq
    assert f"$1 = {16 + line:#x}" in output, output
    assert "Breakpoint 2.1" in output and "$2 = 90 'Z'" in output, output
    assert re.search(r"0x20000000(?: <\w+>)?:\t0x12345678", output), output
    assert machine.breakpoints == frozenset() and not machine.core.debug_halted
    assert not machine.system.debug.debugger


def test_interrupt_halts_a_running_board_and_leaving_lets_it_go(machine, port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(100)
        client.sendall(frame("?"))
        assert heard(client, frame("S05")) == b"+" + frame("S05")
        client.sendall(frame("c") + b"\x03")
        assert heard(client, frame("S02")) == b"+" + frame("S02")
        halted_at = machine.instructions, machine.now_us
        client.sendall(frame("?"))
        heard(client, frame("S05"))
        assert (machine.instructions, machine.now_us) == halted_at

    before = machine.now_us
    assert any(machine.now_us > before or threading.Event().wait(0.01) for _ in range(10_000))


def heard(client, wanted):
    data = b""
    for _ in count():
        if data.endswith(wanted):
            return data
        piece = client.recv(1)
        assert piece, data
        data += piece


def test_a_step_executes_one_instruction_and_leaves_the_breakpoint_behind(machine):
    debugger = Debugger(machine)
    machine.reset()
    start = machine.core.pc
    assert debugger.answer(f"Z1,{start:x},2") == "OK"

    debugger.answer("c")
    before = machine.instructions
    assert debugger.answer("s") == "S05"

    assert machine.instructions == before + 1
    assert machine.core.pc != start


def test_a_breakpoint_halts_before_its_instruction_every_time(machine):
    debugger = Debugger(machine)
    place = machine.symbols["Uart_Handler"]
    debugger.answer(f"Z0,{place:x},2")
    for byte in b"abc":
        machine.serial.feed(bytes([byte]))
        debugger.answer("c")
        assert debugger.run(5_000) == "S05"
        assert machine.core.pc == place
        assert debugger.run(5_000) == "S05"  # still held
    debugger.answer(f"z0,{place:x},2")
    debugger.answer("c")
    assert debugger.run(5_000) is None
    assert machine.serial.take() == b"bcd"


def test_registers_and_memory_read_and_write(machine):
    debugger = Debugger(machine)

    assert debugger.answer("P3=78563412") == "OK"
    assert debugger.answer("p3") == "78563412"
    assert machine.registers()["r3"] == 0x12345678
    assert debugger.answer("M20000100,2:abcd") == "OK"
    assert debugger.answer("m20000100,2") == "abcd"
    whole = debugger.answer("g")
    assert len(whole) == 8 * 20
    assert debugger.answer("G" + whole) == "OK"
    assert debugger.answer("g") == whole


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("m90000000,4", "E01"),
        ("pff", "E01"),
        ("mxyz", "E01"),
        ("Z2,20000000,4", ""),
        ("vCont?", ""),
        ("Q", ""),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_board_stays_attached(machine, request_, reply):
    debugger = Debugger(machine)

    assert debugger.answer(request_) == reply
    assert debugger.answer("?") == "S05"


def test_the_core_knows_whether_a_debugger_is_there(machine):
    debugger = Debugger(machine)
    assert machine.system.debug.debugger
    assert debugger.answer("D") == "OK"
    assert not machine.system.debug.debugger


def test_a_busy_port_is_refused(machine):
    server = GdbServer(machine)
    with pytest.raises(LinkError, match="cannot listen"):
        GdbServer(machine, server.port)
    server.close()
