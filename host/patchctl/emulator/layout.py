"""Stops 11 to 12 of 12. Where libunicorn 2.1.4 keeps what its interface does not offer, found by calibration.

Takes small programs whose effect is known; gives offsets: of the instruction counter and its limit, which end
a slice in the middle of a callback, and of the M33's stack limits. Next: cpu.py
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Any, Final, TypeAlias

import unicorn
from unicorn import arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from patchctl.errors import InternalError

Engine: TypeAlias = Any  # the binding is not annotated
BINDING: Final[Engine] = unicorn
NO_EXIT: Final = 0xFFFF_FFFE  # an address that is never executed: Unicorn wants one exit
_HINT: Final = "install unicorn==2.1.4"
_WORDS: Final = 400


def engine(model: int) -> Engine:
    """A new core of Unicorn's `model`; mode MCLASS would make any of them an M33."""
    uc = BINDING.Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(model)
    return uc


def handle(uc: Engine) -> Engine:
    """What the C functions take."""
    return uc._uch  # noqa: SLF001 - the batch register calls take it, and the binding offers no way to it


@cache
def counter_offsets() -> tuple[int, int]:
    """Where struct uc_struct keeps the executed instructions and their limit, by a run of known length."""
    uc = engine(arm_const.UC_CPU_ARM_CORTEX_M4)
    uc.mem_map(0, 0x1000)
    uc.mem_write(0, b"\xfe\xe7")  # b .
    count = 0x1234
    uc.emu_start(1, NO_EXIT, count=count)
    words = (ctypes.c_uint64 * _WORDS).from_address(handle(uc).value)
    for index in range(len(words) - 1):
        if words[index] == count + 1 and words[index + 1] == count:
            return 8 * index, 8 * (index + 1)
    raise InternalError("this libunicorn keeps its instruction counter elsewhere", hint=_HINT)


class StackLimits:
    """MSPLIM and PSPLIM (secure) of an M33, read out of a saved context."""

    def __init__(self, uc: Engine) -> None:
        self._uc = handle(uc)
        self._keep = uc.context_save()  # owns the memory
        self._context = _address(self._keep)
        self._main, self._process = _limit_offsets()

    def read(self, process: bool) -> int:
        """The limit of one of the two stacks."""
        uclib.uc_context_save(self._uc, ctypes.c_void_p(self._context))
        offset = self._process if process else self._main
        return ctypes.c_uint32.from_address(self._context + offset).value


def _address(context: Engine) -> int:
    pointer = context.context
    return int(pointer.value if hasattr(pointer, "value") else pointer)


@cache
def _limit_offsets() -> tuple[int, int]:
    uc = engine(arm_const.UC_CPU_ARM_CORTEX_M33)
    uc.mem_map(0, 0x1000)
    uc.mem_write(0, bytes.fromhex("80f30a8881f30b88"))  # msr msplim, r0; msr psplim, r1
    found = []
    for register, value in ((arm_const.UC_ARM_REG_R0, 0x2468_ACE0), (arm_const.UC_ARM_REG_R1, 0x1357_9BD8)):
        uc.reg_write(register, value)
        uc.emu_start(1, NO_EXIT, count=2)
        uc.reg_write(register, 0)
        saved = uc.context_save()
        places = ctypes.string_at(_address(saved), saved.size)
        needle = struct.pack("<I", value)
        if places.count(needle) != 1:
            raise InternalError("this libunicorn keeps the stack limits elsewhere", hint=_HINT)
        found.append(places.index(needle))
    return found[0], found[1]
