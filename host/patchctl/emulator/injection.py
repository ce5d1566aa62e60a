"""Stops 7 to 12 of 12. Faults on purpose: power cuts, resets, flipped bits, a bad serial line.

Takes a Machine and what shall go wrong; gives a board that went through it. Everything repeats: the same
arguments give the same fault. Sweeps take their cuts from cuts(). Next: machine.py
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from patchctl.board import Board
from patchctl.emulator.flash import TORN_SHAPES, PowerCut
from patchctl.emulator.machine import Machine
from patchctl.emulator.serial import Disturbance
from patchctl.errors import InputError

BEFORE = 0  # shapes of a cut: the operation did nothing,
AFTER = 1  # or all it should; the other fourteen are torn


@dataclass(frozen=True, slots=True)
class Cut:
    """The supply fails in the flash operation behind `operations` finished ones, which ends in `shape`."""

    operations: int
    shape: int


def can_be_torn(board: Board) -> bool:
    """Whether the store is in flash, by the board's file; RAM in its place loses all when power fails."""
    return "w" not in board.flash.access


def flash_operations(machine: Machine, action: Callable[[], object]) -> int:
    """How many flash operations `action` makes the board do: what a sweep can cut."""
    before = machine.flash.operations
    action()
    return machine.flash.operations - before


def cuts(operations: int, count: int, seed: int = 0) -> Iterator[Cut]:
    """`count` cuts, all shapes in turn; every operation is cut before any is cut twice."""
    if operations < 1:
        raise InputError("there is no flash operation to cut")
    order = list(range(operations))
    random.Random(seed).shuffle(order)
    for number in range(count):
        turn, place = divmod(number, operations)
        yield Cut(order[place], (order[place] + turn + seed) % TORN_SHAPES)


def with_cut(machine: Machine, cut: Cut, action: Callable[[], object]) -> bool:
    """`action` with the supply failing as `cut` says, then power again; False if it did not come so far."""
    machine.flash.cut_after(cut.operations, cut.shape)
    try:
        action()
    except PowerCut:
        machine.power_cycle()
        return True
    finally:
        machine.flash.cut_never()
    return False


def reset_after(machine: Machine, instructions: int) -> None:
    """A system reset after so many more instructions (an IT block counts as one)."""
    machine.run(instructions=instructions)
    machine.reset()


def power_cycle_after(machine: Machine, instructions: int) -> None:
    """Power fails after so many more instructions, no flash operation torn, and returns."""
    machine.run(instructions=instructions)
    machine.power_cycle()


def flip_bits(machine: Machine, address: int, mask: bytes) -> None:
    """Bits of flash at `address` flip at rest; ECC corrects one bit of a unit, and more cannot be read."""
    machine.flash.flip(address, mask)
    machine.forget_code(address, len(mask))
    machine.watch_torn_flash()


@dataclass(slots=True)
class Noise:
    """One byte in `one_in`, on average, is hit: it is lost, or some of its bits change."""

    seed: int
    one_in: int
    lose: bool = False
    seen: int = 0

    def __call__(self, byte: int) -> int | None:
        """What becomes of the next byte."""
        self.seen += 1
        chance = random.Random(self.seed * 1_000_003 + self.seen)
        if chance.randrange(self.one_in):
            return byte
        return None if self.lose else byte ^ chance.randrange(1, 256)


def disturb(
    machine: Machine, *, to_board: Disturbance | None = None, to_host: Disturbance | None = None
) -> None:
    """Make the serial line bad in one direction or both; without arguments, good again."""
    machine.serial.to_board = to_board
    machine.serial.to_host = to_host


def stick(machine: Machine, stuck: bool = True) -> None:
    """The board's transmitter never finishes a byte; False heals it for later ones."""
    machine.serial.stuck = stuck
