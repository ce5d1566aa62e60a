"""Stop 12 of 12. The board's engine on this machine, through ctypes, with undefined behaviour made fatal.

Takes program bytes and the reference's own Space; gives what the reference gives, to be compared.
Next: device_runtime/core/vm.c
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchctl.contract import SUB_PROGRAMS_DEEP, Fault, Status
from patchctl.reference import Outcome, Region, Space
from patchctl.structure import Limits

ROOT = Path(__file__).parents[1]
SOURCES = ("device_runtime/core/vm.c", "device_runtime/core/check.c", "device_runtime/core/helpers.c")
WARNINGS = ("-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Wconversion", "-Wswitch-enum", "-Werror")
INCLUDES = (f"-I{ROOT}/device_runtime", f"-I{ROOT}/device_runtime/include")
GUARD = b"\xa5" * 64  # around every region: a store past its end shows


class _Region(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint32), ("bytes", ctypes.c_uint32), ("memory", ctypes.c_void_p)]


class _Frame(ctypes.Structure):
    _fields_ = [("r6_r9", ctypes.c_uint64 * 4), ("resume", ctypes.c_void_p)]


class _Vm(ctypes.Structure):
    _fields_ = [
        ("registers", ctypes.c_uint64 * 11),
        ("program", ctypes.c_void_p),
        ("space", ctypes.c_void_p),
        ("pc", ctypes.c_void_p),
        ("fuel", ctypes.c_uint32),
        ("depth", ctypes.c_uint32),
        ("callers", _Frame * SUB_PROGRAMS_DEEP),
    ]


class _Program(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_void_p),
        ("code_bytes", ctypes.c_uint32),
        ("fuel", ctypes.c_uint32),
        ("frame_bytes", ctypes.c_uint32),
        ("helper_mask", ctypes.c_uint32),
        ("helper", ctypes.c_void_p),
    ]


class _Space(ctypes.Structure):
    _fields_ = [
        ("stack", _Region),
        ("context", _Region),
        ("data", _Region),
        ("variables", _Region),
        ("readable", ctypes.POINTER(_Region)),
        ("readable_count", ctypes.c_uint32),
        ("writable", ctypes.POINTER(_Region)),
        ("writable_count", ctypes.c_uint32),
    ]


class _Limits(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint32)
        for name in ("instruction_count_max", "data_bytes", "variable_bytes", "helper_mask")
    ]


def _mask(helpers: frozenset[int]) -> int:
    return sum(1 << number for number in helpers)


@dataclass(slots=True)
class _Held:
    """A region's bytes in C memory, between guards, and how to take them back."""

    region: Region
    buffer: ctypes.Array[ctypes.c_char]
    shift: int

    @classmethod
    def of(cls, region: Region) -> _Held:
        # On a device memory is the address itself, so a region is as aligned here as its address says.
        size = len(region.data)
        buffer = ctypes.create_string_buffer(16 + len(GUARD) + size + len(GUARD))
        shift = (region.address - ctypes.addressof(buffer) - len(GUARD)) % 16 + len(GUARD)
        buffer[shift - len(GUARD) : shift + size + len(GUARD)] = GUARD + bytes(region.data) + GUARD
        return cls(region, buffer, shift)

    def c_region(self) -> _Region:
        return _Region(self.region.address, len(self.region.data), ctypes.addressof(self.buffer) + self.shift)

    def take(self) -> None:
        end = self.shift + len(self.region.data)
        assert self.buffer[self.shift - len(GUARD) : self.shift] == GUARD, "a store before a region"
        assert self.buffer[end : end + len(GUARD)] == GUARD, "a store behind a region"
        self.region.data[:] = self.buffer[self.shift : end]


class Engine:
    """The compiled engine."""

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        self._c.harness_vm_bytes.restype = ctypes.c_size_t
        assert self._c.harness_vm_bytes() == ctypes.sizeof(_Vm), "vm_state.h has changed"
        self._helper = ctypes.cast(self._c.harness_helper, ctypes.c_void_p).value

    def plant(self, number: int) -> None:
        """Chooses the bug that a copy of vm.c with many in it has; 0: none."""
        ctypes.c_uint.in_dll(self._c, "planted").value = number

    def check(self, code: bytes, limits: Limits) -> tuple[Status, int]:
        """hp_check_program on a copy at an odd address: it must not care."""
        buffer = ctypes.create_string_buffer(b"\0" + code, len(code) + 1)
        where = ctypes.c_uint32(0)
        c_limits = _Limits(
            limits.instruction_count_max, limits.data_bytes, limits.variable_bytes, _mask(limits.helpers)
        )
        status = self._c.hp_check_program(
            ctypes.byref(buffer, 1), len(code), ctypes.byref(c_limits), ctypes.byref(where)
        )
        return Status(status), where.value

    def run(
        self,
        code: bytes,
        space: Space,
        *,
        fuel: int,
        frame_bytes: int = 0,
        helpers: frozenset[int] = frozenset({1}),
    ) -> Outcome:
        """hp_vm_run; changes the bytes of `space` as the run does."""
        words = (ctypes.c_uint64 * (len(code) // 8)).from_buffer_copy(code)
        start = ctypes.addressof(words)
        program = _Program(start, len(code), fuel, frame_bytes, _mask(helpers), self._helper)
        own = [_Held.of(region) for region in (space.stack, space.context, space.data, space.variables)]
        readable = [_Held.of(region) for region in space.readable]
        writable = [_Held.of(region) for region in space.writable]
        c_space = _Space(
            *(held.c_region() for held in own),
            (_Region * len(readable))(*(held.c_region() for held in readable)),
            len(readable),
            (_Region * len(writable))(*(held.c_region() for held in writable)),
            len(writable),
        )
        vm = _Vm()
        ctypes.memset(ctypes.byref(vm), 0xEE, ctypes.sizeof(vm))  # nothing may depend on an earlier run
        fault = Fault(self._c.hp_vm_run(ctypes.byref(vm), ctypes.byref(program), ctypes.byref(c_space)))
        for held in (*own, *readable, *writable):
            held.take()
        return Outcome(fault, tuple(vm.registers), vm.fuel, (vm.pc - start) // 8)


def build(folder: Path) -> Engine:
    """Compiles the engine into `folder` with undefined behaviour made fatal."""
    checks = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    return _compiled(folder, SOURCES, (*WARNINGS, *checks, "-Os"))


def build_changed(folder: Path, changed: Path) -> Engine:
    """Compiles it with the file `changed` in place of the core's file of that name, bugs and all."""
    kept = [source for source in SOURCES if Path(source).name != changed.name]
    return _compiled(folder, (*kept, str(changed)), ("-std=c11", "-w", "-O0"))


def _compiled(folder: Path, core: Sequence[str], flags: Sequence[str]) -> Engine:
    library = folder / "libengine.so"
    sources = [str(ROOT / source) for source in (*core, "tests/runtime/vm_harness.c")]
    subprocess.run(["cc", *flags, *INCLUDES, "-shared", "-fPIC", "-o", str(library), *sources], check=True)
    return Engine(library)
