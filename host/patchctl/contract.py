"""Stops 3 to 9 of 12. The contract: every number both ends must agree on. GENERATED.

Takes nothing; gives enumerations, instruction facts and record layouts. Made by tools/contract.py from
device_runtime/spec/*.toml; change those. The same tables make device_runtime/include/hotpatch/contract.h.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

LEVEL = 1
CONTRACT_ID = bytes.fromhex("c643b084")
PAYLOAD_MAGIC = 827347016
PAYLOAD_ALIGNMENT = 8
PATCH_ID_BYTES_MAX = 32
VENDOR_NAME = "patchctl"
CONTEXT_REGISTERS = 17
CONTEXT_BYTES = 68
ORIGINAL_BYTES_MIN = 8
COPY_BYTES_MAX = 64
INSTRUCTION_BYTES = 8
STACK_BYTES_MAX = 512
MAP_VARIABLES = 1
SECTION_DATA = 0
SECTION_VARIABLES = 1
SUB_PROGRAMS_DEEP = 4
FUEL_MAX = 268435456
KEY_MAGIC = 827019336
KEYS_MAX = 8
PUBLIC_KEY_BYTES = 32
MAC_KEY_BYTES = 32
PROGRAM_UNIT = 8
JOURNAL_MAGIC = 826953800
RECORD_MAGIC = 827478088
COMMIT_MASK = 1522767420
SLOT_NONE = 255
MAC_BYTES = 16
RESOURCE_ID = "hp/id"
RESOURCE_PATCHES = "hp/patches"
RESOURCE_CONFIRM = "hp/patches/{id}/confirm"
RESOURCE_COUNTERS = "hp/counters"


@dataclass(frozen=True, slots=True)
class Record:
    """A fixed layout of little-endian fields."""

    FORMAT: ClassVar[str] = "<"
    BYTES: ClassVar[int] = 0

    def pack(self) -> bytes:
        """The record's BYTES bytes."""
        return struct.pack(self.FORMAT, *astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The record in exactly BYTES bytes; struct.error for any other length."""
        return cls(*struct.unpack(cls.FORMAT, data))


@dataclass(frozen=True, slots=True)
class OpInfo:
    """What the instruction set says of one opcode byte; limits are empty where every value is allowed."""

    form: str
    group: str
    uses: frozenset[str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    faults: tuple[str, ...]
    offsets: tuple[int, ...] = ()
    immediates: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()


class Status(IntEnum):
    """Rows of [[status]]."""

    OK = 0
    TRUNCATED = -1
    MALFORMED = -2
    TOO_LARGE = -3
    BAD_SIGNATURE = -4
    NO_KEYS = -5
    BAD_DIGEST = -6
    WRONG_VENDOR = -7
    WRONG_BOARD = -8
    WRONG_BUILD = -9
    OLD_SEQUENCE = -10
    SEQUENCE_CONFLICT = -11
    SITE_BYTES = -12
    STORE_FULL = -13
    FLASH_FAILED = -14
    NO_TRIGGER = -15
    ILLEGAL_SITE = -16
    NOT_FOUND = -17
    METHOD_NOT_ALLOWED = -18
    INCOMPLETE = -19
    BAD_OPTION = -20
    BAD_REQUEST = -21
    BUSY = -22
    BAD_PAYLOAD = -23
    BAD_COPY = -24
    UNSUPPORTED = -25
    TOO_MANY_PATCHES = -26
    NO_DEBUG_MONITOR = -27
    CHECK_LENGTH = -32
    CHECK_OPCODE = -33
    CHECK_REGISTER = -34
    CHECK_UNUSED_FIELD = -35
    CHECK_IMMEDIATE = -36
    CHECK_FRAME_POINTER = -37
    CHECK_JUMP_RANGE = -38
    CHECK_JUMP_MIDDLE = -39
    CHECK_WIDE_LOAD = -40
    CHECK_FALLS_OFF = -41
    CHECK_CALL = -42
    CHECK_REFERENCE = -43


class Verdict(IntEnum):
    """Rows of [[verdict]]."""

    PASS = 0
    RETURN = 1
    REDIRECT = 2
    CHANGE = 3
    SKIP = 4


class Fault(IntEnum):
    """Rows of [[fault]]."""

    NONE = 0
    FUEL = 1
    MEMORY = 2
    CALL = 3
    DEPTH = 4
    VERDICT = 5
    RECORD = 6
    CORE = 7


class Helper(IntEnum):
    """Rows of [[helper]]."""

    FW_READ = 1


class Trigger(IntEnum):
    """Rows of [[trigger]]."""

    BREAKPOINT = 0
    FIXED = 1


class PatchState(IntEnum):
    """Rows of [[patch_state]]."""

    CANDIDATE = 0
    STAGED = 1
    TRIAL = 2
    UPDATED = 3
    REJECTED = 4
    UNDONE = 5


class ReplyKey(IntEnum):
    """Rows of [[reply_key]]."""

    STATUS = 1
    DETAIL = 2


class IdentityKey(IntEnum):
    """Rows of [[identity_key]]."""

    BOARD = 1
    CLASS_ID = 2
    BUILD_ID = 3
    LEVEL = 4
    CONTRACT_ID = 5
    SLOTS_FREE = 6
    SLOTS_TOTAL = 7
    UPTIME_MS = 8
    KEYS = 9
    SLOT_BYTES = 10
    COMPARATORS = 11


class PatchKey(IntEnum):
    """Rows of [[patch_key]]."""

    ID = 1
    SEQUENCE = 2
    STATE = 3
    DIGEST = 4
    HITS = 5
    SAFE_VERDICTS = 6
    LAST_FAULT = 7
    SITES = 8
    ARMED = 9


class Counter(IntEnum):
    """Rows of [[counter]]."""

    FRAMES = 0
    FRAMES_DROPPED = 1
    REQUESTS = 2
    REFUSALS = 3
    INSTALLS = 4
    UNDOS = 5
    HITS = 6
    FAULTS_FUEL = 7
    FAULTS_MEMORY = 8
    FAULTS_OTHER = 9
    RECORDS_EXHAUSTED = 10
    CORE_FAULTS = 11
    ESCALATED_HITS = 12
    FOREIGN_BREAKPOINTS = 13
    STORE_RECOVERIES = 14
    CONSOLE_DROPPED = 15
    STRUCK_OUT = 16


class Suit(IntEnum):
    """Rows of [[suit]]."""

    TAG_ENVELOPE = 107
    ENVELOPE_AUTHENTICATION = 2
    ENVELOPE_MANIFEST = 3
    MANIFEST_VERSION = 1
    MANIFEST_SEQUENCE = 2
    MANIFEST_COMMON = 3
    MANIFEST_VALIDATE = 7
    MANIFEST_INVOKE = 9
    MANIFEST_INSTALL = 20
    MANIFEST_TEXT = 23
    COMMON_COMPONENTS = 2
    COMMON_SHARED_SEQUENCE = 4
    CONDITION_VENDOR = 1
    CONDITION_CLASS = 2
    CONDITION_IMAGE_MATCH = 3
    DIRECTIVE_OVERRIDE_PARAMETERS = 20
    DIRECTIVE_FETCH = 21
    DIRECTIVE_INVOKE = 23
    DIRECTIVE_UNLINK = 33
    PARAMETER_VENDOR = 1
    PARAMETER_CLASS = 2
    PARAMETER_DIGEST = 3
    PARAMETER_SIZE = 14
    PARAMETER_URI = 21
    BUILD_ID = -257
    ALGORITHM_SHA256 = -16
    ALGORITHM_ED25519 = -19


class Op(IntEnum):
    """Rows of [[op]]."""

    ADD32_IMM = 4
    JA = 5
    JA32 = 6
    ADD64_IMM = 7
    ADD32_REG = 12
    ADD64_REG = 15
    SUB32_IMM = 20
    JEQ64_IMM = 21
    JEQ32_IMM = 22
    SUB64_IMM = 23
    LDDW = 24
    SUB32_REG = 28
    JEQ64_REG = 29
    JEQ32_REG = 30
    SUB64_REG = 31
    MUL32_IMM = 36
    JGT64_IMM = 37
    JGT32_IMM = 38
    MUL64_IMM = 39
    MUL32_REG = 44
    JGT64_REG = 45
    JGT32_REG = 46
    MUL64_REG = 47
    DIV32_IMM = 52
    JGE64_IMM = 53
    JGE32_IMM = 54
    DIV64_IMM = 55
    DIV32_REG = 60
    JGE64_REG = 61
    JGE32_REG = 62
    DIV64_REG = 63
    OR32_IMM = 68
    JSET64_IMM = 69
    JSET32_IMM = 70
    OR64_IMM = 71
    OR32_REG = 76
    JSET64_REG = 77
    JSET32_REG = 78
    OR64_REG = 79
    AND32_IMM = 84
    JNE64_IMM = 85
    JNE32_IMM = 86
    AND64_IMM = 87
    AND32_REG = 92
    JNE64_REG = 93
    JNE32_REG = 94
    AND64_REG = 95
    LDXW = 97
    STW = 98
    STXW = 99
    LSH32_IMM = 100
    JSGT64_IMM = 101
    JSGT32_IMM = 102
    LSH64_IMM = 103
    LDXH = 105
    STH = 106
    STXH = 107
    LSH32_REG = 108
    JSGT64_REG = 109
    JSGT32_REG = 110
    LSH64_REG = 111
    LDXB = 113
    STB = 114
    STXB = 115
    RSH32_IMM = 116
    JSGE64_IMM = 117
    JSGE32_IMM = 118
    RSH64_IMM = 119
    LDXDW = 121
    STDW = 122
    STXDW = 123
    RSH32_REG = 124
    JSGE64_REG = 125
    JSGE32_REG = 126
    RSH64_REG = 127
    LDXSW = 129
    NEG32 = 132
    CALL = 133
    NEG64 = 135
    LDXSH = 137
    CALLX = 141
    LDXSB = 145
    MOD32_IMM = 148
    EXIT = 149
    MOD64_IMM = 151
    MOD32_REG = 156
    MOD64_REG = 159
    XOR32_IMM = 164
    JLT64_IMM = 165
    JLT32_IMM = 166
    XOR64_IMM = 167
    XOR32_REG = 172
    JLT64_REG = 173
    JLT32_REG = 174
    XOR64_REG = 175
    MOV32_IMM = 180
    JLE64_IMM = 181
    JLE32_IMM = 182
    MOV64_IMM = 183
    MOV32_REG = 188
    JLE64_REG = 189
    JLE32_REG = 190
    MOV64_REG = 191
    ATOMICW = 195
    ARSH32_IMM = 196
    JSLT64_IMM = 197
    JSLT32_IMM = 198
    ARSH64_IMM = 199
    ARSH32_REG = 204
    JSLT64_REG = 205
    JSLT32_REG = 206
    ARSH64_REG = 207
    TO_LE = 212
    JSLE64_IMM = 213
    JSLE32_IMM = 214
    BSWAP = 215
    ATOMICDW = 219
    TO_BE = 220
    JSLE64_REG = 221
    JSLE32_REG = 222


STATUS_TEXT: dict[Status, str] = {
    Status.OK: "done",
    Status.TRUNCATED: "the container ends early",
    Status.MALFORMED: "the container is not in the format this board accepts",
    Status.TOO_LARGE: "the container does not fit this board's staging area or slot",
    Status.BAD_SIGNATURE: "the signature does not match any key this board trusts",
    Status.NO_KEYS: "this board holds no trusted key",
    Status.BAD_DIGEST: "the bytes do not match the digest they are signed under",
    Status.WRONG_VENDOR: "the container is made for another vendor's runtime",
    Status.WRONG_BOARD: "the container is made for another board",
    Status.WRONG_BUILD: "the container is made for another build of the firmware",
    Status.OLD_SEQUENCE: "this board has already accepted a newer sequence number of this patch",
    Status.SEQUENCE_CONFLICT: "this board has accepted this sequence number with other contents",
    Status.SITE_BYTES: "the firmware's bytes at the site are not those the patch was made for",
    Status.STORE_FULL: "no slot is free now: those whose data the firmware may still hold are free after a reset, others after a rollback",
    Status.FLASH_FAILED: "the flash did not take the bytes",
    Status.NO_TRIGGER: "no comparator is free for the site",
    Status.ILLEGAL_SITE: "a patch may not act at this address",
    Status.NOT_FOUND: "there is no such thing on this board",
    Status.METHOD_NOT_ALLOWED: "the resource does not answer this method",
    Status.INCOMPLETE: "blocks of the transfer are missing; start it again",
    Status.BAD_OPTION: "the request carries a critical option this board does not know",
    Status.BAD_REQUEST: "the request is malformed",
    Status.BUSY: "the board is busy with another transfer",
    Status.BAD_PAYLOAD: "the patch's sections are inconsistent",
    Status.BAD_COPY: "the displaced copy is not the site's own instructions",
    Status.UNSUPPORTED: "the patch needs something this board's runtime does not have",
    Status.TOO_MANY_PATCHES: "this board remembers as many patch ids as it can; use an id it knows, or erase its store",
    Status.NO_DEBUG_MONITOR: "the chip keeps debug events from its firmware (DEMCR): no breakpoint can be armed",
    Status.CHECK_LENGTH: "the program is empty or longer than the board allows",
    Status.CHECK_OPCODE: "the program holds an unknown instruction",
    Status.CHECK_REGISTER: "the program names a register that does not exist",
    Status.CHECK_UNUSED_FIELD: "the program holds an instruction whose unused field is not zero",
    Status.CHECK_IMMEDIATE: "the program holds an instruction with an impossible immediate or offset",
    Status.CHECK_FRAME_POINTER: "the program writes the frame pointer r10",
    Status.CHECK_JUMP_RANGE: "the program jumps out of itself or out of a sub-program",
    Status.CHECK_JUMP_MIDDLE: "the program jumps into the second half of a wide load",
    Status.CHECK_WIDE_LOAD: "the program holds a wide load without its second half",
    Status.CHECK_FALLS_OFF: "the program or a sub-program can run off its end",
    Status.CHECK_CALL: "the program calls a helper or sub-program that does not exist",
    Status.CHECK_REFERENCE: "the program refers to a data section or map it does not have",
}

STATUS_KIND: dict[Status, str] = {
    Status.OK: "ok",
    Status.TRUNCATED: "refused",
    Status.MALFORMED: "refused",
    Status.TOO_LARGE: "refused",
    Status.BAD_SIGNATURE: "signature",
    Status.NO_KEYS: "signature",
    Status.BAD_DIGEST: "refused",
    Status.WRONG_VENDOR: "target",
    Status.WRONG_BOARD: "target",
    Status.WRONG_BUILD: "target",
    Status.OLD_SEQUENCE: "refused",
    Status.SEQUENCE_CONFLICT: "refused",
    Status.SITE_BYTES: "target",
    Status.STORE_FULL: "refused",
    Status.FLASH_FAILED: "refused",
    Status.NO_TRIGGER: "refused",
    Status.ILLEGAL_SITE: "refused",
    Status.NOT_FOUND: "refused",
    Status.METHOD_NOT_ALLOWED: "refused",
    Status.INCOMPLETE: "refused",
    Status.BAD_OPTION: "refused",
    Status.BAD_REQUEST: "refused",
    Status.BUSY: "refused",
    Status.BAD_PAYLOAD: "refused",
    Status.BAD_COPY: "refused",
    Status.UNSUPPORTED: "refused",
    Status.TOO_MANY_PATCHES: "refused",
    Status.NO_DEBUG_MONITOR: "refused",
    Status.CHECK_LENGTH: "refused",
    Status.CHECK_OPCODE: "refused",
    Status.CHECK_REGISTER: "refused",
    Status.CHECK_UNUSED_FIELD: "refused",
    Status.CHECK_IMMEDIATE: "refused",
    Status.CHECK_FRAME_POINTER: "refused",
    Status.CHECK_JUMP_RANGE: "refused",
    Status.CHECK_JUMP_MIDDLE: "refused",
    Status.CHECK_WIDE_LOAD: "refused",
    Status.CHECK_FALLS_OFF: "refused",
    Status.CHECK_CALL: "refused",
    Status.CHECK_REFERENCE: "refused",
}

COUNTER_TEXT: dict[Counter, str] = {
    Counter.FRAMES: "valid frames received",
    Counter.FRAMES_DROPPED: "frames with a bad checksum, too long, broken off or of an unknown kind",
    Counter.REQUESTS: "requests answered",
    Counter.REFUSALS: "containers refused",
    Counter.INSTALLS: "containers that armed a patch",
    Counter.UNDOS: "containers that took a patch out",
    Counter.HITS: "sites reached",
    Counter.FAULTS_FUEL: "runs that ended because fuel ran out",
    Counter.FAULTS_MEMORY: "runs that touched memory they may not",
    Counter.FAULTS_OTHER: "runs that ended by any other fault",
    Counter.RECORDS_EXHAUSTED: "hits that found no invocation record or stack",
    Counter.CORE_FAULTS: "processor faults inside a program, taken back to the safe verdict",
    Counter.ESCALATED_HITS: "breakpoints that reached HardFault because DebugMonitor was masked",
    Counter.FOREIGN_BREAKPOINTS: "debug events that belong to no site",
    Counter.STORE_RECOVERIES: "journal pages found torn at start and set right",
    Counter.CONSOLE_DROPPED: "console bytes lost because nobody read them",
    Counter.STRUCK_OUT: "patches the board took out itself because their programs made the processor fault three times",
}

OPCODES: dict[Op, OpInfo] = {
    Op.ADD32_IMM: OpInfo(
        form="dst += imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JA: OpInfo(
        form="goto +offset",
        group="base64",
        uses=frozenset({"offset"}),
        reads=(),
        writes=(),
        faults=(),
    ),
    Op.JA32: OpInfo(
        form="goto +imm",
        group="base32",
        uses=frozenset({"imm"}),
        reads=(),
        writes=(),
        faults=(),
    ),
    Op.ADD64_IMM: OpInfo(
        form="dst += imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.ADD32_REG: OpInfo(
        form="dst += src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.ADD64_REG: OpInfo(
        form="dst += src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.SUB32_IMM: OpInfo(
        form="dst -= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JEQ64_IMM: OpInfo(
        form="if dst == imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JEQ32_IMM: OpInfo(
        form="if dst == imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.SUB64_IMM: OpInfo(
        form="dst -= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.LDDW: OpInfo(
        form="dst = imm64",
        group="base64",
        uses=frozenset({"dst", "src", "imm"}),
        reads=(),
        writes=("dst",),
        faults=(),
        sources=(0, 5, 6),
    ),
    Op.SUB32_REG: OpInfo(
        form="dst -= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JEQ64_REG: OpInfo(
        form="if dst == src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JEQ32_REG: OpInfo(
        form="if dst == src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.SUB64_REG: OpInfo(
        form="dst -= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.MUL32_IMM: OpInfo(
        form="dst *= imm",
        group="divmul32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JGT64_IMM: OpInfo(
        form="if dst > imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JGT32_IMM: OpInfo(
        form="if dst > imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.MUL64_IMM: OpInfo(
        form="dst *= imm",
        group="divmul64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.MUL32_REG: OpInfo(
        form="dst *= src",
        group="divmul32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JGT64_REG: OpInfo(
        form="if dst > src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JGT32_REG: OpInfo(
        form="if dst > src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.MUL64_REG: OpInfo(
        form="dst *= src",
        group="divmul64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.DIV32_IMM: OpInfo(
        form="dst /= imm",
        group="divmul32",
        uses=frozenset({"dst", "imm", "offset"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.JGE64_IMM: OpInfo(
        form="if dst >= imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JGE32_IMM: OpInfo(
        form="if dst >= imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.DIV64_IMM: OpInfo(
        form="dst /= imm",
        group="divmul64",
        uses=frozenset({"dst", "imm", "offset"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.DIV32_REG: OpInfo(
        form="dst /= src",
        group="divmul32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.JGE64_REG: OpInfo(
        form="if dst >= src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JGE32_REG: OpInfo(
        form="if dst >= src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.DIV64_REG: OpInfo(
        form="dst /= src",
        group="divmul64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.OR32_IMM: OpInfo(
        form="dst |= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JSET64_IMM: OpInfo(
        form="if dst & imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JSET32_IMM: OpInfo(
        form="if dst & imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.OR64_IMM: OpInfo(
        form="dst |= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.OR32_REG: OpInfo(
        form="dst |= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JSET64_REG: OpInfo(
        form="if dst & src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JSET32_REG: OpInfo(
        form="if dst & src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.OR64_REG: OpInfo(
        form="dst |= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.AND32_IMM: OpInfo(
        form="dst &= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JNE64_IMM: OpInfo(
        form="if dst != imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JNE32_IMM: OpInfo(
        form="if dst != imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.AND64_IMM: OpInfo(
        form="dst &= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.AND32_REG: OpInfo(
        form="dst &= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JNE64_REG: OpInfo(
        form="if dst != src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JNE32_REG: OpInfo(
        form="if dst != src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.AND64_REG: OpInfo(
        form="dst &= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXW: OpInfo(
        form="dst = *(u32 *)(src + offset)",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.STW: OpInfo(
        form="*(u32 *)(dst + offset) = imm",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=("memory",),
    ),
    Op.STXW: OpInfo(
        form="*(u32 *)(dst + offset) = src",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=("memory",),
    ),
    Op.LSH32_IMM: OpInfo(
        form="dst <<= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JSGT64_IMM: OpInfo(
        form="if dst s> imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JSGT32_IMM: OpInfo(
        form="if dst s> imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.LSH64_IMM: OpInfo(
        form="dst <<= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXH: OpInfo(
        form="dst = *(u16 *)(src + offset)",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.STH: OpInfo(
        form="*(u16 *)(dst + offset) = imm",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=("memory",),
    ),
    Op.STXH: OpInfo(
        form="*(u16 *)(dst + offset) = src",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=("memory",),
    ),
    Op.LSH32_REG: OpInfo(
        form="dst <<= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JSGT64_REG: OpInfo(
        form="if dst s> src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JSGT32_REG: OpInfo(
        form="if dst s> src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.LSH64_REG: OpInfo(
        form="dst <<= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXB: OpInfo(
        form="dst = *(u8 *)(src + offset)",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.STB: OpInfo(
        form="*(u8 *)(dst + offset) = imm",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=("memory",),
    ),
    Op.STXB: OpInfo(
        form="*(u8 *)(dst + offset) = src",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=("memory",),
    ),
    Op.RSH32_IMM: OpInfo(
        form="dst >>= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JSGE64_IMM: OpInfo(
        form="if dst s>= imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JSGE32_IMM: OpInfo(
        form="if dst s>= imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.RSH64_IMM: OpInfo(
        form="dst >>= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXDW: OpInfo(
        form="dst = *(u64 *)(src + offset)",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.STDW: OpInfo(
        form="*(u64 *)(dst + offset) = imm",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=("memory",),
    ),
    Op.STXDW: OpInfo(
        form="*(u64 *)(dst + offset) = src",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=("memory",),
    ),
    Op.RSH32_REG: OpInfo(
        form="dst >>= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JSGE64_REG: OpInfo(
        form="if dst s>= src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JSGE32_REG: OpInfo(
        form="if dst s>= src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.RSH64_REG: OpInfo(
        form="dst >>= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXSW: OpInfo(
        form="dst = *(s32 *)(src + offset)",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.NEG32: OpInfo(
        form="dst = -dst",
        group="base32",
        uses=frozenset({"dst"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.CALL: OpInfo(
        form="call imm",
        group="base64",
        uses=frozenset({"src", "imm"}),
        reads=("arguments",),
        writes=("r0",),
        faults=("call", "depth"),
        sources=(0, 1),
    ),
    Op.NEG64: OpInfo(
        form="dst = -dst",
        group="base64",
        uses=frozenset({"dst"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.LDXSH: OpInfo(
        form="dst = *(s16 *)(src + offset)",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.CALLX: OpInfo(
        form="call dst",
        group="callx",
        uses=frozenset({"dst"}),
        reads=("dst", "arguments"),
        writes=("r0",),
        faults=("call",),
    ),
    Op.LDXSB: OpInfo(
        form="dst = *(s8 *)(src + offset)",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=("memory",),
    ),
    Op.MOD32_IMM: OpInfo(
        form="dst %= imm",
        group="divmul32",
        uses=frozenset({"dst", "imm", "offset"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.EXIT: OpInfo(
        form="exit",
        group="base64",
        uses=frozenset(),
        reads=("r0",),
        writes=(),
        faults=(),
    ),
    Op.MOD64_IMM: OpInfo(
        form="dst %= imm",
        group="divmul64",
        uses=frozenset({"dst", "imm", "offset"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.MOD32_REG: OpInfo(
        form="dst %= src",
        group="divmul32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.MOD64_REG: OpInfo(
        form="dst %= src",
        group="divmul64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
        offsets=(0, 1),
    ),
    Op.XOR32_IMM: OpInfo(
        form="dst ^= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JLT64_IMM: OpInfo(
        form="if dst < imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JLT32_IMM: OpInfo(
        form="if dst < imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.XOR64_IMM: OpInfo(
        form="dst ^= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.XOR32_REG: OpInfo(
        form="dst ^= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JLT64_REG: OpInfo(
        form="if dst < src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JLT32_REG: OpInfo(
        form="if dst < src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.XOR64_REG: OpInfo(
        form="dst ^= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.MOV32_IMM: OpInfo(
        form="dst = imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=(),
        writes=("dst",),
        faults=(),
    ),
    Op.JLE64_IMM: OpInfo(
        form="if dst <= imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JLE32_IMM: OpInfo(
        form="if dst <= imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.MOV64_IMM: OpInfo(
        form="dst = imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=(),
        writes=("dst",),
        faults=(),
    ),
    Op.MOV32_REG: OpInfo(
        form="dst = src",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=(),
        offsets=(0, 8, 16),
    ),
    Op.JLE64_REG: OpInfo(
        form="if dst <= src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JLE32_REG: OpInfo(
        form="if dst <= src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.MOV64_REG: OpInfo(
        form="dst = src",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("src",),
        writes=("dst",),
        faults=(),
        offsets=(0, 8, 16, 32),
    ),
    Op.ATOMICW: OpInfo(
        form="lock *(u32 *)(dst + offset) op= src",
        group="atomic32",
        uses=frozenset({"dst", "src", "offset", "imm"}),
        reads=("dst", "src"),
        writes=("src",),
        faults=("memory",),
        immediates=(0, 1, 64, 65, 80, 81, 160, 161, 225, 241),
    ),
    Op.ARSH32_IMM: OpInfo(
        form="dst s>>= imm",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.JSLT64_IMM: OpInfo(
        form="if dst s< imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JSLT32_IMM: OpInfo(
        form="if dst s< imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.ARSH64_IMM: OpInfo(
        form="dst s>>= imm",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
    ),
    Op.ARSH32_REG: OpInfo(
        form="dst s>>= src",
        group="base32",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.JSLT64_REG: OpInfo(
        form="if dst s< src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JSLT32_REG: OpInfo(
        form="if dst s< src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.ARSH64_REG: OpInfo(
        form="dst s>>= src",
        group="base64",
        uses=frozenset({"dst", "src"}),
        reads=("dst", "src"),
        writes=("dst",),
        faults=(),
    ),
    Op.TO_LE: OpInfo(
        form="dst = le(imm) dst",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        immediates=(16, 32, 64),
    ),
    Op.JSLE64_IMM: OpInfo(
        form="if dst s<= imm goto +offset",
        group="base64",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.JSLE32_IMM: OpInfo(
        form="if dst s<= imm goto +offset",
        group="base32",
        uses=frozenset({"dst", "offset", "imm"}),
        reads=("dst",),
        writes=(),
        faults=(),
    ),
    Op.BSWAP: OpInfo(
        form="dst = bswap(imm) dst",
        group="base64",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        immediates=(16, 32, 64),
    ),
    Op.ATOMICDW: OpInfo(
        form="lock *(u64 *)(dst + offset) op= src",
        group="atomic64",
        uses=frozenset({"dst", "src", "offset", "imm"}),
        reads=("dst", "src"),
        writes=("src",),
        faults=("memory",),
        immediates=(0, 1, 64, 65, 80, 81, 160, 161, 225, 241),
    ),
    Op.TO_BE: OpInfo(
        form="dst = be(imm) dst",
        group="base32",
        uses=frozenset({"dst", "imm"}),
        reads=("dst",),
        writes=("dst",),
        faults=(),
        immediates=(16, 32, 64),
    ),
    Op.JSLE64_REG: OpInfo(
        form="if dst s<= src goto +offset",
        group="base64",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
    Op.JSLE32_REG: OpInfo(
        form="if dst s<= src goto +offset",
        group="base32",
        uses=frozenset({"dst", "src", "offset"}),
        reads=("dst", "src"),
        writes=(),
        faults=(),
    ),
}


@dataclass(frozen=True, slots=True)
class PayloadHeader(Record):
    """The first bytes of #patch."""

    FORMAT: ClassVar[str] = "<IHHIIIIIIIIIIIIIIIIIIIIII"
    BYTES: ClassVar[int] = 96
    magic: int
    level: int
    header_bytes: int
    total_bytes: int
    tenant: int
    programs_offset: int
    programs_bytes: int
    sites_offset: int
    sites_bytes: int
    redirects_offset: int
    redirects_bytes: int
    ranges_offset: int
    ranges_bytes: int
    helpers_offset: int
    helpers_bytes: int
    maps_offset: int
    maps_bytes: int
    copies_offset: int
    copies_bytes: int
    code_offset: int
    code_bytes: int
    data_offset: int
    data_bytes: int
    certificate_offset: int
    certificate_bytes: int


@dataclass(frozen=True, slots=True)
class Program(Record):
    """One eBPF program."""

    FORMAT: ClassVar[str] = "<IIIIIII"
    BYTES: ClassVar[int] = 28
    code_offset: int
    code_bytes: int
    fuel: int
    stack_bytes: int
    certificate_offset: int
    certificate_bytes: int
    flags: int


@dataclass(frozen=True, slots=True)
class Site(Record):
    """Where a program acts, and what it may do there."""

    FORMAT: ClassVar[str] = "<I16sBBBBIIIIBBBBIIIII"
    BYTES: ClassVar[int] = 64
    address: int
    original: bytes
    original_bytes: int
    displaced_bytes: int
    trigger: int
    program_index: int
    legal_verdicts: int
    writable_registers: int
    copy_offset: int
    copy_bytes: int
    safe_verdict: int
    safe_redirect: int
    safe_pointers: int
    safe_arguments: int
    safe_value: int
    safe_argument0: int
    safe_argument1: int
    safe_argument2: int
    safe_argument3: int


@dataclass(frozen=True, slots=True)
class Redirect(Record):
    """An address a verdict may send the firmware to."""

    FORMAT: ClassVar[str] = "<I"
    BYTES: ClassVar[int] = 4
    target: int


@dataclass(frozen=True, slots=True)
class Map(Record):
    """Memory that outlives a run."""

    FORMAT: ClassVar[str] = "<III"
    BYTES: ClassVar[int] = 12
    kind: int
    value_bytes: int
    initial_bytes: int


@dataclass(frozen=True, slots=True)
class Range(Record):
    """Firmware memory."""

    FORMAT: ClassVar[str] = "<II"
    BYTES: ClassVar[int] = 8
    address: int
    span_bytes: int


@dataclass(frozen=True, slots=True)
class KeyPage(Record):
    """Written once, by keys provision; key_count public keys of 32 bytes and a CRC-32 of all before it follow."""

    FORMAT: ClassVar[str] = "<IHH32s"
    BYTES: ClassVar[int] = 40
    magic: int
    level: int
    key_count: int
    mac_key: bytes


@dataclass(frozen=True, slots=True)
class JournalHeader(Record):
    """First bytes of a journal, written when every record behind it is in place; the journal of the highest generation is in force."""

    FORMAT: ClassVar[str] = "<IIII"
    BYTES: ClassVar[int] = 16
    magic: int
    generation: int
    crc: int
    commit: int


@dataclass(frozen=True, slots=True)
class JournalRecord(Record):
    """What is true of one patch from here on; the last whole record of an id is in force."""

    FORMAT: ClassVar[str] = "<IBBBBII32s32s16sII"
    BYTES: ClassVar[int] = 104
    magic: int
    state: int
    slot: int
    id_bytes: int
    reserved: int
    sequence: int
    payload_bytes: int
    id: bytes
    digest: bytes
    mac: bytes
    crc: int
    commit: int
