"""Stops 11 to 12 of 12. Exception entry and return, faults and lockup (ARMv7-M B1.5), around the processor.

Takes exceptions to enter, EXC_RETURN values and faults; gives a new pc, frames in RAM, and FaultRecords.
Floating-point state is stacked at once, never lazily. A tail-chained exception re-uses the frame. An M33 is
in secure state throughout: EXC_RETURN has S, DCRS and ES set, as 0xfffffff9 has.
Next: machine.py
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final

from patchctl.emulator import exceptions as ex
from patchctl.emulator import faults
from patchctl.emulator.clock import Clock
from patchctl.emulator.cpu import Cpu
from patchctl.emulator.exceptions import Exceptions
from patchctl.emulator.faults import Fault, FaultRecord
from patchctl.emulator.memory import Memory
from patchctl.emulator.registers import Stateful

ENTRY_CYCLES: Final = 12  # Cortex-M4 TRM: entry and return with zero wait states, and tail-chaining
ENTRY_CYCLES_V6M: Final = 15  # Cortex-M0+ TRM
RETURN_CYCLES: Final = 12
CHAIN_CYCLES: Final = 6

_THUMB: Final = 1 << 24
_ALIGNED: Final = 1 << 9
_FLAGS: Final = 0xF800_0000
_SPSEL: Final = 2
_FPCA: Final = 4
_SFPA: Final = 8  # ARMv8-M: the floating-point state is secure
_STACKED_SFPA: Final = 1 << 20  # of RETPSR
_RETURNS: Final = 0xFFFF_FFFD  # with the bits that may be 0 set
_FRAME: Final = struct.Struct("<8I")
_FP_FRAME: Final = struct.Struct("<18I")


class Core(Stateful):
    """Exceptions and faults of one core. `v7m`: fault registers; `v8m`: stack limits; `fpu`: FP frames."""

    state: ClassVar[tuple[str, ...]] = (
        "pc", "lockup", "sleeping", "vtor", "cfsr", "hfsr", "dfsr", "bfar", "mmfar", "fault_enables",
        "fp_stacking", "sleep_on_exit", "faults", "debug_halted",
    )  # fmt: skip

    def __init__(self, cpu: Cpu, memory: Memory, exceptions: Exceptions, clock: Clock, core: str) -> None:
        self.cpu = cpu
        self.memory = memory
        self.exceptions = exceptions
        self.clock = clock
        self.v7m = "m0" not in core
        self.v8m = "m33" in core
        self.fpu = core.endswith("f")
        self.faults: list[FaultRecord] = []
        self._general = cpu.batch("r0", "r1", "r2", "r3", "r12", "lr")
        self._context = cpu.batch("r0", "r1", "r2", "r3", "r12", "lr", "xpsr", "r13", "control")
        self._enter = cpu.batch("r13", "ipsr", "apsr_nzcv", "lr", "epsr")
        self._chain = cpu.batch("ipsr", "apsr_nzcv", "lr", "epsr")
        self._control = cpu.batch("control")
        self._ipsr = cpu.batch("ipsr", "apsr_nzcv")
        self._stack = cpu.batch("r13")
        self._process_stack = cpu.batch("psp")
        self._status = cpu.batch("xpsr_nzcvqg", "apsr_nzcv")
        self._xpsr = cpu.batch("xpsr")
        self._masks = cpu.batch("primask", "basepri", "faultmask") if self.v7m else cpu.batch("primask")
        self._faultmask = cpu.batch("faultmask")
        self._fp = cpu.batch(*(f"s{index}" for index in range(16)), "fpscr") if self.fpu else None
        self.reset_state()

    def reset_state(self) -> None:
        """System registers as after a reset; the processor's own are reset() by the machine."""
        self.pc = 0
        self.lockup = ""
        self.debug_halted = ""
        self.sleeping = False
        self.vtor = 0
        self.cfsr = self.hfsr = self.dfsr = self.bfar = self.mmfar = 0
        self.fault_enables: set[int] = set()
        self.fp_stacking = True  # FPCCR.ASPEN
        self.sleep_on_exit = False

    def start(self, vectors: int) -> None:
        """Leave reset: stack pointer and pc from the vector table."""
        self.cpu.reset()
        self.vtor = vectors
        self._stack.write((self.memory.word(vectors) or 0) & ~3)
        self.cpu.batch("lr").write(0xFFFF_FFFF)
        self.pc = (self.memory.word(vectors + 4) or 0) & ~1

    # Priorities --------------------------------------------------------------------------------------------

    def mask_priority(self, primask_counts: bool = True) -> int:
        """The priority that PRIMASK, BASEPRI and FAULTMASK lift execution to, or THREAD_PRIORITY."""
        primask, *others = self._masks.read()
        if others and others[1] & 1:
            return -1
        if primask & 1 and primask_counts:
            return 0
        return self.exceptions.masked(others[0]) if others and others[0] else ex.THREAD_PRIORITY

    def execution_priority(self) -> int:
        """An exception preempts if its group priority is lower than this."""
        return min(self.exceptions.active_priority(), self.mask_priority())

    def take_pending(self) -> bool:
        """Enter the best pending exception, if it may preempt."""
        number = self.exceptions.best_pending()
        if number is None or self.exceptions.group(number) >= self.execution_priority():
            return False
        self.enter(number, self.pc)
        return True

    def held_by_mask(self) -> bool:
        """Something would be taken at once if a mask register changed, which cannot be seen from outside."""
        number = self.exceptions.best_pending()
        return number is not None and self.exceptions.group(number) < self.exceptions.active_priority()

    def wakes(self) -> bool:
        """WFI ends: something pending would preempt if PRIMASK were clear (ARMv7-M B1.5.19)."""
        number = self.exceptions.best_pending()
        if number is None:
            return False
        limit = min(self.exceptions.active_priority(), self.mask_priority(primask_counts=False))
        return self.exceptions.group(number) < limit

    # Entry and return --------------------------------------------------------------------------------------

    def enter(self, number: int, return_pc: int) -> None:
        """Stack a frame and continue at the vector of `number`; what fails there may be taken first."""
        *general, xpsr, stack, control = self._context.read()
        handler = bool(self.exceptions.active)
        process = not handler and bool(control & _SPSEL)
        with_fp = bool(control & _FPCA) and self.fpu and self.fp_stacking
        frame = (stack - (0x68 if with_fp else 0x20)) & ~7
        status = xpsr & ~_ALIGNED | (_ALIGNED if stack & 4 else 0)
        if self.v8m and control & _SFPA:
            status |= _STACKED_SFPA
        limit = self.cpu.limits.read(process) if self.cpu.limits else 0
        failed = 0
        if frame < limit:
            frame, failed = limit, faults.STKOF
        elif not self._push(frame, (*general, return_pc & ~1, status), with_fp):
            failed = faults.STKERR
        link = 0xFFFF_FFE1 | (0 if with_fp else 0x10) | (0 if handler else 8) | (4 if process else 0)
        if failed:
            number = self._derived(failed, number)
        if process:
            self._stack.write(frame)
            self._control.write(control & ~_SPSEL)  # ignored, and so kept, where the thread is unprivileged
            frame = self._stack.read()[0] if not control & 1 else frame
        # IPSR switches the stack pointers; APSR, written after it, makes Unicorn notice handler mode
        self._enter.write(frame, number, xpsr & _FLAGS, link, _THUMB)
        if control & (_FPCA | _SFPA | _SPSEL):
            self._control.write(control & ~(_FPCA | _SFPA | _SPSEL))
        self.exceptions.activate(number)
        self.sleeping = False
        self.clock.stall(ENTRY_CYCLES if self.v7m else ENTRY_CYCLES_V6M)
        self._vector(number)

    def _push(self, frame: int, words: tuple[int, ...], with_fp: bool) -> bool:
        data = _FRAME.pack(*words)
        if with_fp and self._fp is not None:
            data += _FP_FRAME.pack(*self._fp.read(), 0)
        return self.memory.write(frame, data)

    def _derived(self, cfsr: int, number: int) -> int:
        """Stacking for `number` failed: the exception to enter first; `number` then waits (B1.5.8)."""
        own = ex.USAGE_FAULT if cfsr == faults.STKOF else ex.BUS_FAULT
        self.cfsr |= cfsr if self.v7m else 0
        if number in (ex.NMI, ex.HARD_FAULT):
            self.lockup = f"no room for the frame of exception {number}"
            return number
        derived = own
        if own not in self.fault_enables or self.exceptions.group(own) >= self.execution_priority():
            derived = ex.HARD_FAULT
            self.hfsr |= faults.HFSR_FORCED if self.v7m else 0
        self._record(derived, self.pc)
        group = self.exceptions.group
        first, second = sorted((derived, number), key=lambda which: (group(which), which))
        self.exceptions.pending.add(second)
        return first

    def _vector(self, number: int) -> None:
        vector = self.memory.word(self.vtor + 4 * number)
        self.pc = (vector or 0) & ~1
        if vector is None:
            self.hfsr |= faults.HFSR_VECTTBL
            self._hard_fault(self.pc)
        elif not vector & 1:
            self.fault(Fault(ex.USAGE_FAULT, faults.INVSTATE), self.pc)

    def leave(self, link: int) -> None:
        """Return from the newest exception by the EXC_RETURN value `link`."""
        active = self.exceptions.active
        thread = bool(link & 8)
        variants = 0x1C if self.fpu else 0xC
        process_in_handler = not thread and link & 4 and not self.v8m
        if not active or (link | variants) != _RETURNS or thread != (len(active) == 1) or process_in_handler:
            self._illegal_return(link)
            return
        returned = self.exceptions.deactivate()
        if self.v7m and returned not in (ex.NMI, ex.HARD_FAULT):
            self._faultmask.write(0)
        if self._tail_chain(link):
            return
        self._unstack(link, thread)
        self.clock.stall(RETURN_CYCLES)
        self.sleeping = thread and self.sleep_on_exit

    def _tail_chain(self, link: int) -> bool:
        """Something pending preempts what would be returned to: enter it with the frame that is there."""
        number = self.exceptions.best_pending()
        if number is None or self.exceptions.group(number) >= self.execution_priority():
            return False
        xpsr = self._xpsr.read()[0]
        self._chain.write(number, xpsr & _FLAGS, link, _THUMB)
        self.exceptions.activate(number)
        self.clock.stall(CHAIN_CYCLES)
        self._vector(number)
        return True

    def _unstack(self, link: int, thread: bool) -> None:
        process, with_fp = thread and bool(link & 4), self.fpu and not link & 0x10
        stack = (self._process_stack if process else self._stack).read()[0]
        data = self.memory.read(stack, 0x68 if with_fp else 0x20)
        if data is None:
            self._switch_mode(thread, process, 0)
            self.fault(Fault(ex.BUS_FAULT, faults.UNSTKERR), self.pc)
            return
        *general, pc, status = _FRAME.unpack_from(data)
        secure = _SFPA if self.v8m and status & _STACKED_SFPA else 0
        self._switch_mode(thread, process, (_FPCA if with_fp else 0) | secure)
        if with_fp and self._fp is not None:
            self._fp.write(*_FP_FRAME.unpack_from(data, _FRAME.size)[:17])
        self._general.write(*general)
        self._stack.write(stack + len(data) | (4 if status & _ALIGNED else 0))
        mode = 0 if thread else self.exceptions.active[-1]
        status = status & ~(0x1FF | _STACKED_SFPA) | mode
        self._status.write(status, status & _FLAGS)
        self.pc = pc & ~1
        if not status & _THUMB:
            self.fault(Fault(ex.USAGE_FAULT, faults.INVSTATE), self.pc)

    def _switch_mode(self, thread: bool, process: bool, fp_bits: int) -> None:
        """IPSR and CONTROL of what is returned to; privileged meanwhile, or Unicorn ignores the writes."""
        control = self._control.read()[0]
        if not thread:
            self._ipsr.write(self.exceptions.active[-1], 0)
            self._control.write(control & ~(_FPCA | _SFPA) | fp_bits)
            return
        if control & 1:
            self._control.write(0)
        self._ipsr.write(0, 0)
        self._control.write((_SPSEL if process else 0) | fp_bits | control & 1)

    def _illegal_return(self, link: int) -> None:
        if self.exceptions.active:
            self.exceptions.deactivate()
            mode = self.exceptions.active[-1] if self.exceptions.active else 0
            self._ipsr.write(mode, 0)
        self.fault(Fault(ex.USAGE_FAULT, faults.INVPC), link & ~1)

    # Faults ------------------------------------------------------------------------------------------------

    def supervisor_call(self) -> None:
        """SVC at pc - 2: its exception, or HardFault where that may not be taken."""
        if self.exceptions.group(ex.SVCALL) < self.execution_priority():
            self.enter(ex.SVCALL, self.pc)
        else:
            self.hfsr |= faults.HFSR_FORCED if self.v7m else 0
            self._hard_fault(self.pc - 2)

    def fault(self, fault: Fault, pc: int) -> None:
        """Set the status registers, then enter the fault's own handler, or HardFault, or lock up."""
        if not self.v7m:
            self._hard_fault(pc)
            return
        self.cfsr |= fault.cfsr
        if fault.cfsr & faults.BFARVALID:
            self.bfar = fault.address
        own = fault.exception in self.fault_enables
        if own and self.exceptions.group(fault.exception) < self.execution_priority():
            self._take_fault(fault.exception, pc)
        else:
            self.hfsr |= faults.HFSR_FORCED
            self._hard_fault(pc)

    def debug_event(self, monitor_enabled: bool, debugger: bool = False) -> None:
        """A breakpoint at pc (C1.6.1): a debugger's halt, or DebugMonitor if it may preempt, or HardFault."""
        self.dfsr |= 2
        if debugger:
            self.debug_halted = f"breakpoint at 0x{self.pc:08x}"
            return
        allowed = monitor_enabled and self.monitor_may_run()
        if allowed:
            self.enter(ex.DEBUG_MONITOR, self.pc)
        else:
            self.hfsr |= faults.HFSR_DEBUGEVT if self.v7m else 0
            self._hard_fault(self.pc)

    def monitor_may_run(self) -> bool:
        """DebugMonitor's priority preempts what runs now."""
        return self.exceptions.group(ex.DEBUG_MONITOR) < self.execution_priority()

    def _hard_fault(self, pc: int) -> None:
        if self.execution_priority() <= -1:
            self.lockup = f"fault at 0x{pc:08x} while HardFault, NMI or FAULTMASK is active"
        else:
            self._take_fault(ex.HARD_FAULT, pc)

    def _take_fault(self, number: int, pc: int) -> None:
        self._record(number, pc)
        self.enter(number, pc)

    def _record(self, number: int, pc: int) -> None:
        taken = FaultRecord(number, pc, self.cfsr, self.hfsr, self.bfar, self.mmfar, self.clock.instructions)
        self.faults.append(taken)

    def thumb(self) -> bool:
        """XPSR.T."""
        return bool(self._xpsr.read()[0] & _THUMB)

    def fp_used(self) -> bool:
        """CONTROL.FPCA: floating-point instructions ran since the last exception entry or reset."""
        return bool(self._control.read()[0] & _FPCA)
