"""A sample of MicroPython's own tests goes as in CPython; `./tools/dev sweep micropython` runs all."""

from __future__ import annotations

from functools import cache

import pytest

from tests.micropython.conftest import BOARDS, on
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

FEW = (
    "basics/int_divzero",
    "extmod/asyncio_basic2",
    "float/array_construct",
    "inlineasm/thumb/asmargs",
    "micropython/viper_misc",
    "stress/recursion",
)
EACH = on(BOARD, also=SAMPLE) + on(*BOARDS, also=FEW)
LACKING = {"nucleo_g0b1re": ["inlineasm_thumb2", "float"]}  # the M0+ has no Thumb-2


@cache
def ready(board: str) -> suite.Suite:
    return suite.Suite(board, firmware_elf(board))


@pytest.mark.parametrize(("board", "name"), EACH)
def test_a_test_of_micropython_goes_as_differences_toml_says(board: str, name: str) -> None:
    assert suite.run_suite(ready(board), [name]).surprises(suite.differences(board)) == []


@pytest.mark.parametrize("board", on(*BOARDS))
def test_each_listed_difference_is_a_test_that_would_run_and_has_a_reason(board: str) -> None:
    listed = suite.differences(board)
    assert set(listed) <= set(suite.names())
    assert [name for name, reason in listed.items() if ready(board).skip_reason(name) or not reason] == []


@pytest.mark.parametrize("board", on(*BOARDS))
def test_a_board_lacks_only_64_bit_floats_and_what_its_core_lacks(board: str) -> None:
    assert [row.check for row in ready(board).lacking] == LACKING.get(board, ["float"])


@pytest.mark.parametrize("board", on(BOARD))
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("basics/string1", ""),
        ("extmod/asyncio_basic", ""),
        ("extmod/select_poll_basic", ""),  # imports what is not there only to skip itself
        ("import/gen_context", "no file system"),
        ("import/import_star_error", ""),
        ("io/file_with", "no file system"),
        ("float/float_divmod", "feature_check/float"),
        ("io/argv", "a script in raw REPL has no file name"),
    ],
)
def test_a_test_is_skipped_for_a_reason(board: str, name: str, reason: str) -> None:
    assert ready(board).skip_reason(name) == reason


@pytest.mark.parametrize("board", on(BOARD))
def test_a_test_that_skips_itself_says_which_module_it_misses(board: str) -> None:
    outcome = suite.run_suite(ready(board), ["extmod/hashlib_md5", "extmod/socket_tcp_basic"])
    assert outcome.skipped == {
        "extmod/hashlib_md5": "the test skips itself",
        "extmod/socket_tcp_basic": "no module socket",
    }
    assert (outcome.total, outcome.reasons) == (2, dict.fromkeys(outcome.skipped.values(), 1))


@pytest.mark.parametrize("board", on(BOARD))
def test_a_script_that_hangs_ends_at_a_limit_and_one_that_faults_at_once_and_the_next_runs(
    board: str,
) -> None:
    spins = ready(board).run_script(b"print(1)\nwhile True: pass\n", limit_instructions=2_000_000)
    sleeps = ready(board).run_script(b"import time\ntime.sleep(9)\n", limit_us=100_000)
    faults = ready(board).run_script(b"import sys\nsys.modules['m'] = 42\nfrom m import *\n")

    assert spins.startswith(b"no end: within 2000000 instructions and 60000 ms, in mp_")
    assert sleeps.startswith(
        f"no end: within {suite.LIMIT_INSTRUCTIONS} instructions and 100 ms, in ".encode()
    )
    assert faults.startswith(b"no end: fault at mp_import_all: ")
    assert ready(board).run_script(b"print(6 * 7)") == b"42\n"


def test_a_difference_that_is_not_listed_and_one_that_is_gone_are_surprises() -> None:
    outcome = suite.Outcome(passed=("a", "b"), skipped={"c": "why"}, differing={"d": b"", "e": b""})
    assert outcome.surprises({"e": "why"}) == ["d differs, unlisted"]
    assert outcome.surprises({"d": "why", "e": "why"}) == []
    assert len(outcome.surprises({"b": "why", "c": "why", "d": "why", "e": "why"})) == 2
