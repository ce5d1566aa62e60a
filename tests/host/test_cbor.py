"""Deterministic CBOR: one encoding a value, and nothing else is read."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patchctl.contract import STATUS_TEXT, Status
from patchctl.errors import InputError, InternalError
from patchctl.package import cbor

# RFC 8949, appendix A: those that a container may hold.
EXAMPLES = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (256, "190100"),
    (1_000_000_000_000, "1b000000e8d4a51000"),
    (-1, "20"),
    (-257, "390100"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("ü", "62c3bc"),
    ([], "80"),
    ([1, [2, 3]], "8201820203"),
    ({}, "a0"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    ({100: 1, -1: 2}, "a21864012002"),  # bytewise: RFC 7049's length-first order would put -1 first
    ({14: 1, -257: 2, 20: 3}, "a30e01140339010002"),
]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers(-300, 300) | st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(("value", "encoded"), EXAMPLES)
def test_a_value_has_one_encoding_that_reads_back(value, encoded):
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    ("encoded", "status"),
    [
        ("", Status.TRUNCATED),
        ("18", Status.TRUNCATED),
        ("4401", Status.TRUNCATED),
        ("82 01", Status.TRUNCATED),
        ("a1 01", Status.TRUNCATED),
        ("9b ffffffffffffffff", Status.TRUNCATED),
        ("5b ffffffffffffffff", Status.TRUNCATED),
        ("0000", Status.MALFORMED),
        ("1817", Status.MALFORMED),
        ("190018", Status.MALFORMED),
        ("1a0000ffff", Status.MALFORMED),
        ("1b00000000ffffffff", Status.MALFORMED),
        ("1c", Status.MALFORMED),
        ("5f4101ff", Status.MALFORMED),
        ("9f01ff", Status.MALFORMED),
        ("bf0102ff", Status.MALFORMED),
        ("ff", Status.MALFORMED),
        ("f7", Status.MALFORMED),
        ("f93c00", Status.MALFORMED),
        ("f820", Status.MALFORMED),
        ("61ff", Status.MALFORMED),
        ("a2 01 00 01 00", Status.MALFORMED),
        ("a2 02 00 01 00", Status.MALFORMED),
        ("a1 80 00", Status.MALFORMED),
        ("a1 f5 00", Status.MALFORMED),
        ("81" * 8 + "00", Status.MALFORMED),
        ("c1" * 8 + "00", Status.MALFORMED),
    ],
)
def test_anything_but_the_deterministic_form_is_refused(encoded, status):
    with pytest.raises(InputError) as refusal:
        cbor.decode(bytes.fromhex(encoded))

    assert refusal.value.what == STATUS_TEXT[status]


def test_seven_levels_are_read_where_eight_are_refused():
    assert cbor.decode(b"\x81" * 7 + b"\x00") == [[[[[[[0]]]]]]]


def test_a_value_that_containers_never_hold_is_a_bug():
    with pytest.raises(InternalError, match="float"):
        cbor.encode([1.5])


@given(values)
def test_every_value_reads_back_and_cbor2_agrees(value):
    encoded = cbor.encode(value)

    assert cbor.decode(encoded, depth_max=20) == value
    assert cbor2.loads(encoded) == value


@given(st.binary(max_size=60))
def test_what_is_read_is_written_back_byte_for_byte(data):
    try:
        value = cbor.decode(data)
    except InputError:
        return

    assert cbor.encode(value) == data
