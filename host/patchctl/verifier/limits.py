"""Stop 5 of 12. What a program may do at its site, and how much of the board it may use.

Takes nothing; gives the frozen value that every rule of the verifier is measured by.
Next: host/patchctl/verifier/transfer.py
"""

from __future__ import annotations

from dataclasses import dataclass

from patchctl.contract import STACK_BYTES_MAX, Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """The site's legal verdicts, writable context words and redirects; the board's room."""

    verdicts: frozenset[Verdict]
    writable_registers: int = 0
    redirect_count: int = 0
    data_bytes: int = 0
    variable_bytes: int = 0  # of the program; the board's most is below
    variable_bytes_max: int = 2**16 - 8
    stack_bytes_max: int = STACK_BYTES_MAX
    instructions_max: int = 512
    metered: bool = False  # whether a program without a worst case may run, as long as its fuel lasts
