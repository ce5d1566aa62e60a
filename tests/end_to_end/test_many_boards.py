"""Every board there is, side by side in one process: each runs as it would alone."""

import hashlib

from patchctl.board import board_names, load_board
from patchctl.emulator import Machine

from tests.end_to_end.targets import CASES
from tests.micropython.firmware import firmware_elf

BARE = CASES[1]
SLICES_US = (700, 1_900, 3_100)  # unlike ones, so that no two boards stay in step
TURNS = 60


class Run:
    """A board that is given its lines as time goes by."""

    def __init__(self, name):
        board = load_board(name)
        self.machine = Machine(board, firmware_elf(name, BARE.image))
        self.lines = [line + b"\r" for line in (*BARE.benign, b"patches", b"uptime", *BARE.attack)]
        self.turn, self.said = 0, b""

    def go(self):
        """One turn: a little time, and now and then a line."""
        if self.turn % 4 == 3 and self.lines:
            self.machine.serial.feed(self.lines.pop(0))
        self.machine.run_us(SLICES_US[self.turn % len(SLICES_US)] * 5)
        self.turn += 1
        self.said += self.machine.serial.take()

    def result(self):
        """All that could differ."""
        machine, regions = self.machine, self.machine.board.chip.region
        ram = b"".join(
            machine.read_memory(region.address, region.bytes) for region in regions if "w" in region.access
        )
        return (
            self.said, machine.instructions, machine.now_us, hashlib.sha256(ram).hexdigest(),
            hashlib.sha256(machine.flash_bytes()).hexdigest(), tuple(machine.registers().items()),
            tuple(machine.faults),
        )  # fmt: skip


def test_boards_that_take_turns_do_what_each_does_alone():
    names = board_names()
    assert len(names) >= 7

    alone = {}
    for name in names:
        run = Run(name)
        for _ in range(TURNS):
            run.go()
        alone[name] = run.result()
    together = {name: Run(name) for name in names}
    for _ in range(TURNS):
        for run in together.values():
            run.go()

    for name, run in together.items():
        assert run.result() == alone[name], name
        assert b"bare> " in run.said and run.machine.faults != [], name
    assert len({result[3] for result in alone.values()}) == len(names)
