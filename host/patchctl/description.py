"""Stop 1 of 12. What a patch is for: patch.toml as frozen values.

Takes a patch folder; gives its Description: the site, what it may do there, the safe verdict, the proofs.
Unknown keys are refused with the nearest known one. The format is described in patches/README.md.
Next: host/patchctl/source.py
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from patchctl.contract import FUEL_MAX, PATCH_ID_BYTES_MAX, Verdict
from patchctl.errors import ConfigError

REGISTERS = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
WRITABLE = (*(f"r{number}" for number in range(13)), "lr")
# skip is left out: at a function's entry it would leave out the instruction that saves registers
VERDICTS: Mapping[str, Verdict] = {
    verdict.name.lower(): verdict for verdict in Verdict if verdict is not Verdict.SKIP
}
SAFE_VERDICTS = ("pass", "return", "redirect")
SAFE_ARGUMENTS_MAX = 4

_ID = re.compile(rf"[a-z0-9_-]{{1,{PATCH_ID_BYTES_MAX}}}")
_SEQUENCE_MAX = 2**62  # install and undo are 2n and 2n + 1
_WORD_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class SymbolArgument:
    """The address of a firmware symbol."""

    name: str


@dataclass(frozen=True, slots=True)
class TextArgument:
    """The address of a constant text, kept in the patch's data section."""

    text: str


Argument = int | SymbolArgument | TextArgument


@dataclass(frozen=True, slots=True)
class SiteDescription:
    """Where a patch acts: a function's entry, and what may happen there."""

    function: str
    verdicts: frozenset[Verdict]
    writable: tuple[str, ...] = ()
    metered: bool = False  # fuel may end a run: the program may have no worst case

    @property
    def writable_registers(self) -> int:
        """Bit n: context word n may be written."""
        return sum(1 << REGISTERS.index(name) for name in self.writable)


@dataclass(frozen=True, slots=True)
class SafeDescription:
    """What happens when the program cannot finish."""

    verdict: Verdict
    redirect: str = ""
    value: int = 0
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """The script that shows the bug, and the scripts that must not notice the patch."""

    attack: Path | None = None
    benign: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """One patch.toml."""

    folder: Path
    id: str
    sequence: int
    about: str
    site: SiteDescription
    safe: SafeDescription
    redirects: tuple[str, ...] = ()
    fuel: int | None = None
    proof: Proof = field(default_factory=Proof)

    def header(self) -> str:
        """C for patch.c: the index of each redirect."""
        rows = [f"#define HP_TO_{name} {index}u\n" for index, name in enumerate(self.redirects)]
        return "".join(rows)


def load_description(folder: Path) -> Description:
    """The description in `folder`; ConfigError if it is absent, malformed or contradicts itself."""
    path = folder / "patch.toml"
    if not path.is_file():
        raise ConfigError("there is no patch.toml", where=str(folder), hint="see patches/README.md")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(str(problem), where=str(path)) from problem
    return _Reader(table, str(path)).description(folder)


class _Reader:
    """Takes keys out of one table; what is left over at the end is unknown."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = dict(table)
        self._where = where
        self._known: list[str] = []

    def description(self, folder: Path) -> Description:
        has_fuel = self._has("fuel")
        built = Description(
            folder=folder,
            id=self._id(),
            sequence=self._number("sequence", 1, _SEQUENCE_MAX),
            about=self._text("about"),
            redirects=self._texts("redirects"),
            fuel=self._number("fuel", 0, FUEL_MAX) if has_fuel else None,
            site=self._part("site").site(has_fuel=has_fuel),
            safe=self._part("safe").safe(),
            proof=self._part("proof").proof(folder) if self._has("proof") else Proof(),
        )
        self._end()
        self._check(built)
        return built

    def _check(self, patch: Description) -> None:
        if patch.safe.verdict is Verdict.REDIRECT and patch.safe.redirect not in patch.redirects:
            raise self._wrong(
                f"the safe verdict goes to {patch.safe.redirect!r}, which is no redirect",
                _suggest(patch.safe.redirect, patch.redirects),
            )
        if patch.redirects and Verdict.REDIRECT not in patch.site.verdicts | {patch.safe.verdict}:
            raise self._wrong("there are redirects, but no verdict uses them", "add 'redirect' to verdicts")
        for index, name in enumerate(patch.redirects):
            if name in patch.redirects[:index]:
                raise self._wrong(f"redirect {name!r} is named twice", "leave one out")

    def site(self, *, has_fuel: bool) -> SiteDescription:
        names = self._texts("verdicts")
        site = SiteDescription(
            function=self._text("function"),
            verdicts=frozenset(VERDICTS[self._one_of(name, VERDICTS, "verdict")] for name in names),
            writable=tuple(
                self._one_of(name, WRITABLE, "writable register") for name in self._texts("writable")
            ),
            metered=self._flag("metered"),
        )
        self._end()
        if site.metered and not has_fuel:
            raise self._wrong("a metered site needs 'fuel'", "say how many instructions one run may execute")
        if not site.verdicts:
            raise self._wrong("no verdict is legal at the site", 'for instance verdicts = ["pass", "return"]')
        return site

    def safe(self) -> SafeDescription:
        verdict = VERDICTS[self._one_of(self._text("verdict"), SAFE_VERDICTS, "safe verdict")]
        safe = SafeDescription(
            verdict=verdict,
            redirect=self._text("redirect") if verdict is Verdict.REDIRECT else "",
            value=self._number("value", 0, _WORD_MAX) if verdict is Verdict.RETURN else 0,
            arguments=self._arguments() if verdict is Verdict.REDIRECT else (),
        )
        self._end()
        return safe

    def _arguments(self) -> tuple[Argument, ...]:
        values = self._take("arguments", [])
        if not isinstance(values, list) or len(values) > SAFE_ARGUMENTS_MAX:
            raise self._wrong(f"'arguments' is a list of up to {SAFE_ARGUMENTS_MAX}", "see patches/README.md")
        return tuple(self._argument(value) for value in values)

    def _argument(self, value: object) -> Argument:
        if isinstance(value, str):
            return SymbolArgument(value[1:]) if value.startswith("&") else TextArgument(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _WORD_MAX:
            return value
        raise self._wrong(
            f"argument {value!r} is neither a u32, a text nor a symbol", "write &name or a text"
        )

    def proof(self, folder: Path) -> Proof:
        attack = folder / self._text("attack") if self._has("attack") else None
        benign = tuple(path for pattern in self._texts("benign") for path in sorted(folder.glob(pattern)))
        self._end()
        if attack is not None and not attack.is_file():
            raise self._wrong(f"the attack {attack.name!r} does not exist", "write it, or leave the key out")
        return Proof(attack, benign)

    def _id(self) -> str:
        text = self._text("id")
        if not _ID.fullmatch(text):
            limit = f"1 to {PATCH_ID_BYTES_MAX} of a-z, 0-9, '_' and '-'"
            raise self._wrong(f"{text!r} is no patch id", f"it is {limit}")
        return text

    # ---------------------------------------------------------------------------- single keys

    def _has(self, key: str) -> bool:
        self._known.append(key)
        return key in self._table

    def _take(self, key: str, default: object = None) -> object:
        self._known.append(key)
        if key not in self._table and default is None:
            near = get_close_matches(key, list(self._table), n=1)
            hint = f"is {near[0]!r} meant to be it?" if near else "see patches/README.md"
            raise self._wrong(f"key {key!r} is missing", hint)
        return self._table.pop(key, default)

    def _text(self, key: str) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(f"{key!r} is a text that is not empty", "see patches/README.md")
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(f"{key!r} is a list of texts", "see patches/README.md")
        return tuple(value)

    def _number(self, key: str, low: int, high: int) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(f"{key!r} is a number from {low} to {high}", "see patches/README.md")
        return value

    def _flag(self, key: str) -> bool:
        value = self._take(key, False)
        if not isinstance(value, bool):
            raise self._wrong(f"{key!r} is true or false", "see patches/README.md")
        return value

    def _part(self, key: str) -> _Reader:
        value = self._take(key)
        if not isinstance(value, dict):
            raise self._wrong(f"{key!r} is a table", f"write [{key}]")
        return _Reader(value, f"{self._where} [{key}]")

    def _one_of(self, value: str, known: Iterable[str], what: str) -> str:
        if value not in known:
            raise self._wrong(f"{value!r} is no {what}", _suggest(value, known))
        return value

    def _end(self) -> None:
        for key in self._table:
            raise self._wrong(f"unknown key {key!r}", _suggest(key, self._known))

    def _wrong(self, what: str, hint: str) -> ConfigError:
        return ConfigError(what, where=self._where, hint=hint)


def _suggest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
