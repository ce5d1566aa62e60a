"""Stop 9 of 12. The core's CBOR check against cbor2 and the host's own strict decoder."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patchctl.contract import Status
from patchctl.errors import InputError
from patchctl.package import cbor

from tests.runtime import calls

# What follows an initial byte so that the item is complete, by additional information.
ARGUMENTS = {24: b"\x18", 25: b"\x01\x00", 26: b"\x00\x01\x00\x00", 27: b"\x00\x00\x00\x01\x00\x00\x00\x00"}

MALFORMED = [
    ("1817", "an argument that fits the initial byte"),
    ("190018", "an argument longer than it needs to be"),
    ("1a0000ffff", "four bytes for two"),
    ("1b00000000ffffffff", "eight bytes for four"),
    ("1c", "a reserved additional information"),
    ("5f4100ff", "a string of indefinite length"),
    ("9fff", "an array of indefinite length"),
    ("bfff", "a map of indefinite length"),
    ("a200000000", "a key twice"),
    ("a201000000", "keys out of order"),
    ("a261610000 00", "a text key before a number"),
    ("61ff", "text that is no UTF-8"),
    ("62c080", "an overlong form"),
    ("63eda080", "a surrogate"),
    ("f7", "undefined"),
    ("f97c00", "a half float"),
    ("f818", "a simple value of one byte"),
    ("0000", "a byte too many"),
    ("818181818181818181 00", "nesting deeper than eight"),
]
GOOD = ["00", "20", "40", "6161", "80", "a0", "c100", "f4", "f5", "f6", "8181818181818181 00", "a2000001f6"]
TRUNCATED = [
    "",
    "18",
    "1900",
    "5b00ffffffffffffff",
    "5bffffffffffffffff",
    "62c3",
    "81",
    "a100",
    "c1",
    "9b7fffffffffffffff",
]


@pytest.mark.parametrize(("text", "_why"), MALFORMED)
def test_what_is_not_deterministic_is_malformed(text, _why):
    assert calls.cbor_check(bytes.fromhex(text)) == Status.MALFORMED


@pytest.mark.parametrize("text", GOOD)
def test_deterministic_items_pass(text):
    assert calls.cbor_check(bytes.fromhex(text)) == Status.OK


@pytest.mark.parametrize("text", TRUNCATED)
def test_what_ends_early_is_truncated(text):
    assert calls.cbor_check(bytes.fromhex(text)) == Status.TRUNCATED


@pytest.mark.parametrize("initial", range(256))
def test_every_initial_byte_with_every_truncation_has_the_answer_that_its_type_demands(initial):
    major, information = initial >> 5, initial & 31
    item = bytes([initial]) + ARGUMENTS.get(information, b"")
    if 28 <= information or (major == 7 and not 20 <= information <= 22):
        assert calls.cbor_check(item) == Status.MALFORMED
        return
    if major in (2, 3) and information <= 25:
        count = information if information < 24 else int.from_bytes(item[1:], "big")
        item += b"a" * count
    complete = calls.cbor_check(item)

    empties = major in (0, 1, 7) or (information == 0 and major < 6)
    strings = major in (2, 3) and information <= 25
    assert complete == (Status.OK if empties or strings else Status.TRUNCATED)
    for end in range(len(item)):
        assert calls.cbor_check(item[:end]) == Status.TRUNCATED


ITEMS = st.recursive(
    st.one_of(
        st.integers(0, 2**64 - 1),
        st.integers(-(2**64), -1),
        st.binary(max_size=40),
        st.text(max_size=20),
        st.booleans(),
        st.none(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.integers(-300, 300), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(ITEMS)
def test_what_the_host_encodes_passes(item):
    data = cbor.encode(item)

    assert calls.cbor_check(data) in (Status.OK, depth_status(item))


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(st.binary(max_size=24))
def test_both_ends_accept_the_same_bytes(data):
    try:
        cbor.decode(data)
    except InputError:
        accepted = False
    else:
        accepted = True

    if calls.cbor_check(data) == Status.OK:
        assert accepted
    elif accepted:
        assert b"\xfb" in data or b"\xfa" in data or b"\xf9" in data or b"\xc2" in data or b"\xc3" in data


def depth_status(item: object) -> Status:
    """What an item nested deeper than the board reads is."""
    return Status.MALFORMED if depth(item) > 8 else Status.OK


def depth(item: object) -> int:
    if isinstance(item, list):
        return 1 + max(map(depth, item), default=0)
    if isinstance(item, dict):
        return 1 + max(map(depth, item.values()), default=0)
    return 0
