"""Stops 11 to 12 of 12. From what went wrong to its exception and status bits (ARMv7-M B1.5.14, ARMv8-M).

Takes a Stop; gives a Fault; keeps FaultRecords of what was taken. Next: core.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from patchctl.emulator.cpu import Reason, Stop
from patchctl.emulator.exceptions import BUS_FAULT, MEM_MANAGE, USAGE_FAULT
from patchctl.errors import InternalError

IACCVIOL: Final = 1 << 0
IBUSERR: Final = 1 << 8
PRECISERR: Final = 1 << 9
UNSTKERR: Final = 1 << 11
STKERR: Final = 1 << 12
BFARVALID: Final = 1 << 15
UNDEFINSTR: Final = 1 << 16
INVSTATE: Final = 1 << 17
INVPC: Final = 1 << 18
NOCP: Final = 1 << 19
STKOF: Final = 1 << 20  # ARMv8-M only
UNALIGNED: Final = 1 << 24

HFSR_VECTTBL: Final = 1 << 1
HFSR_FORCED: Final = 1 << 30
HFSR_DEBUGEVT: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault before priorities are looked at: its own exception, CFSR bits, the data's address."""

    exception: int
    cfsr: int
    address: int = 0


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """A fault exception as it was taken (3 to 6), with the registers that a handler would read."""

    exception: int
    pc: int
    cfsr: int
    hfsr: int
    bfar: int
    mmfar: int
    instructions: int


_BY_REASON: Final = {
    Reason.READ: (BUS_FAULT, PRECISERR | BFARVALID),
    Reason.WRITE: (BUS_FAULT, PRECISERR | BFARVALID),
    Reason.WRITE_PROTECTED: (BUS_FAULT, PRECISERR | BFARVALID),
    Reason.FETCH: (BUS_FAULT, IBUSERR),
    Reason.EXECUTE_NEVER: (MEM_MANAGE, IACCVIOL),
    Reason.NO_COPROCESSOR: (USAGE_FAULT, NOCP),
    Reason.UNALIGNED: (USAGE_FAULT, UNALIGNED),
    Reason.STACK_LIMIT: (USAGE_FAULT, STKOF),
}


def classify(stop: Stop, thumb: bool) -> Fault:
    """The fault that `stop` means; `thumb` is XPSR.T."""
    if stop.reason is Reason.INVALID:
        return Fault(USAGE_FAULT, UNDEFINSTR if thumb else INVSTATE)
    if stop.reason not in _BY_REASON:
        raise InternalError(f"the processor stopped for no fault: {stop}")
    exception, cfsr = _BY_REASON[stop.reason]
    return Fault(exception, cfsr, stop.address)
