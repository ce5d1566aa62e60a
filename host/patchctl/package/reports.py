"""Stops 7 to 11 of 12. What a board says of itself: who it is, which patches it holds, what it has counted.

Takes the CBOR of a board's answers; gives frozen values. A board is not believed blindly: an answer of
the wrong shape is a LinkError. Next: patchctl/package/precheck.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from patchctl.contract import Counter, Fault, IdentityKey, PatchKey, PatchState, ReplyKey, Status
from patchctl.errors import InputError, LinkError
from patchctl.package import cbor

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Identity:
    """The board's answer to `hp/id`."""

    board: str
    class_id: bytes
    build_id: bytes
    level: int
    contract_id: bytes
    slots_free: int
    slots_total: int
    uptime_ms: int
    keys: tuple[bytes, ...]
    slot_bytes: int
    comparators: int


@dataclass(frozen=True, slots=True)
class InstalledPatch:
    """One entry of the board's answer to `hp/patches`."""

    id: str
    sequence: int
    state: PatchState
    digest: bytes
    hits: int
    safe_verdicts: int
    last_fault: Fault
    sites: tuple[int, ...]
    armed: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and detail of an answer; `status` is None for one that this host does not know."""

    status: Status | None
    number: int
    detail: int | None


def read_identity(payload: bytes) -> Identity:
    """The identity in a board's answer."""
    return _reading("identity", payload, _identity)


def read_patches(payload: bytes) -> tuple[InstalledPatch, ...]:
    """The patches in a board's answer, in its order."""
    return _reading("list of patches", payload, lambda rows: tuple(_patch(row) for row in _list(rows)))


def read_counters(payload: bytes) -> dict[Counter, int]:
    """The counters in a board's answer; those this host does not know are left out."""
    known = set(Counter)
    return _reading(
        "list of counters",
        payload,
        lambda row: {Counter(key): _number(value) for key, value in row.items() if key in known},
    )


def read_reply(payload: bytes) -> Reply:
    """The status in a board's answer to a change."""
    return _reading("answer", payload, _reply)


def _reading(what: str, payload: bytes, take: Callable[[cbor.Item], _T]) -> _T:
    try:
        return take(cbor.decode(payload))
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise LinkError(
            f"the board's {what} cannot be read", hint="is its runtime of another contract level?"
        ) from problem


def _identity(row: cbor.Item) -> Identity:
    return Identity(
        board=_text(row[IdentityKey.BOARD]),
        class_id=_bytes(row[IdentityKey.CLASS_ID]),
        build_id=_bytes(row[IdentityKey.BUILD_ID]),
        level=_number(row[IdentityKey.LEVEL]),
        contract_id=_bytes(row[IdentityKey.CONTRACT_ID]),
        slots_free=_number(row[IdentityKey.SLOTS_FREE]),
        slots_total=_number(row[IdentityKey.SLOTS_TOTAL]),
        uptime_ms=_number(row[IdentityKey.UPTIME_MS]),
        keys=tuple(_bytes(item) for item in _list(row[IdentityKey.KEYS])),
        slot_bytes=_number(row[IdentityKey.SLOT_BYTES]),
        comparators=_number(row[IdentityKey.COMPARATORS]),
    )


def _patch(row: cbor.Item) -> InstalledPatch:
    return InstalledPatch(
        id=_text(row[PatchKey.ID]),
        sequence=_number(row[PatchKey.SEQUENCE]),
        state=PatchState(row[PatchKey.STATE]),
        digest=_bytes(row[PatchKey.DIGEST]),
        hits=_number(row[PatchKey.HITS]),
        safe_verdicts=_number(row[PatchKey.SAFE_VERDICTS]),
        last_fault=Fault(row[PatchKey.LAST_FAULT]),
        sites=tuple(_number(item) for item in _list(row[PatchKey.SITES])),
        armed=_bool(row[PatchKey.ARMED]),
    )


def _reply(row: cbor.Item) -> Reply:
    number = row[ReplyKey.STATUS]
    detail = row.get(ReplyKey.DETAIL)
    if type(number) is not int:
        raise TypeError
    status = Status(number) if number in set(Status) else None
    return Reply(status, number, None if detail is None else _number(detail))


def _number(value: cbor.Item) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _bytes(value: cbor.Item) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _text(value: cbor.Item) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bool(value: cbor.Item) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _list(value: cbor.Item) -> list[cbor.Item]:
    if not isinstance(value, list):
        raise TypeError
    return value
