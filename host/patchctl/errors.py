"""Stops 2 to 12 of 12. What can go wrong, and the exit code of each kind. Codes live here only.

PatchctlError                exit 1
├─ InternalError             exit 1    a bug in patchctl; please report it
└─ InputError                exit 4    you can fix this: a source, a file, an ELF
   ├─ UsageError             exit 2    the command line
   ├─ ConfigError            exit 3    a board file, patch.toml, patchctl.toml
   ├─ PatchRejected          exit 5    the verifier cannot prove the patch safe
   ├─ KeyRefused             exit 6    a signature or a key
   ├─ TargetMismatch         exit 7    another board, build or site than the patch was made for
   ├─ LinkError              exit 8    no port, busy port, no answer
   └─ DeviceRefused          exit 9    the board answered, and the answer was no

Takes what, where and a hint; gives the one line the CLI prints. Next: whoever raised it says.
"""

from __future__ import annotations

from typing import ClassVar

from patchctl.contract import STATUS_KIND, STATUS_TEXT, Status

EXIT_OK = 0
EXIT_INTERRUPTED = 130


class PatchctlError(Exception):
    """Something went wrong: `what` happened, `where`, and a `hint` at what to try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def line(self) -> str:
        """One line for a terminal: where, what, and what to try."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class InternalError(PatchctlError):
    """A bug in patchctl."""


class InputError(PatchctlError):
    """The user's source, file or firmware is not usable."""

    exit_code = 4


class UsageError(InputError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigError(InputError):
    """A board or patch description is wrong."""

    exit_code = 3


class PatchRejected(InputError):
    """The verifier has findings."""

    exit_code = 5


class KeyRefused(InputError):
    """A key or signature is missing, malformed or not trusted."""

    exit_code = 6


class TargetMismatch(InputError):
    """The patch is for another board, another build or other bytes at the site."""

    exit_code = 7


class LinkError(InputError):
    """The board cannot be reached."""

    exit_code = 8


class DeviceRefused(InputError):
    """The board answered, and the answer was no."""

    exit_code = 9


_BY_KIND: dict[str, type[InputError]] = {
    "signature": KeyRefused,
    "target": TargetMismatch,
    "refused": DeviceRefused,
}


def refusal(status: Status, *, where: str = "", hint: str = "") -> InputError:
    """The exception for a status, with the contract's text; whoever refuses, host or board."""
    return _BY_KIND[STATUS_KIND[status]](STATUS_TEXT[status], where=where, hint=hint)
