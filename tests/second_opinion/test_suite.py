"""A sample of MicroPython's own tests goes as in CPython; `./tools/dev sweep micropython` runs all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.micropython.firmware import BOARD, firmware_elf
from tests.second_opinion import suite

SAMPLE = (
    "basics/builtin_exec",
    "basics/builtin_hash_intbig",
    "basics/builtin_minmax",
    "basics/builtin_next_arg2",
    "basics/builtin_print",
    "basics/builtin_reversed",
    "basics/builtin_zip",
    "basics/bytearray_add_self",
    "basics/bytearray_byte_operations",
    "basics/bytes_format_modulo",
    "basics/class_inplace_op",
    "basics/dict_union",
    "basics/fun_annotations",
    "basics/int_intbig",
    "basics/list_slice_assign_grow",
    "basics/op_error_memoryview",
    "basics/set_pop",
    "basics/set_update",
    "basics/slots_bool_len",
    "basics/try_except_break",
    "float/builtin_float_minmax",
    "float/float_format_ints_power10",
    "float/math_factorial_intbig",
    "float/python36",
    "float/string_format_fp30",
    "float/string_format_modulo2",
    "micropython/const_error",
    "micropython/const_intbig",
    "micropython/heapalloc",
    "micropython/heapalloc_fail_set",
    "micropython/opt_level",
    "micropython/viper_globals",
    "micropython/viper_misc",
    "unicode/unicode_index",
    "unicode/unicode_iter",
    "inlineasm/thumb/asmargs",
    "inlineasm/thumb/asmbitops",
    "inlineasm/thumb/asmdiv",
)

one_worker = pytest.mark.xdist_group("micropython_suite")


@pytest.fixture(scope="module")
def board() -> suite.Suite:
    return suite.Suite(BOARD, firmware_elf())


@pytest.fixture(scope="module")
def listed() -> Mapping[str, str]:
    return suite.differences(BOARD)


@one_worker
@pytest.mark.parametrize("name", SAMPLE)
def test_a_test_of_micropython_goes_as_differences_toml_says(
    board: suite.Suite, listed: Mapping[str, str], name: str
) -> None:
    assert suite.run_suite(board, [name]).surprises(listed) == []


@one_worker
def test_each_listed_difference_is_a_test_that_would_run_and_has_a_reason(
    board: suite.Suite, listed: Mapping[str, str]
) -> None:
    assert set(listed) <= set(suite.names())
    assert [name for name, reason in listed.items() if board.skips(name) or not reason] == []


@one_worker
def test_a_board_lacks_only_64_bit_floats(board: suite.Suite) -> None:
    assert [row.check for row in board.lacking] == ["float"]


def test_a_difference_that_is_not_listed_and_one_that_is_gone_are_surprises() -> None:
    outcome = suite.Outcome(passed=("a", "b"), skipped=("c",), differing={"d": b"", "e": b""})
    assert outcome.surprises({"e": "why"}) == ["d differs, unlisted"]
    assert outcome.surprises({"d": "why", "e": "why"}) == []
    assert len(outcome.surprises({"b": "why", "c": "why", "d": "why", "e": "why"})) == 2
