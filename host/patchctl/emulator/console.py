"""Stops 8 to 12 of 12. Somebody who types at a board's prompt: a line, or a script in MicroPython's raw REPL.

Takes whatever runs until a board has printed something, an emulated board or another; gives what was printed
without echo and prompt. Next: patchctl/bench.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

PROMPT: Final = b">>> "  # MicroPython's
END_OF_TEXT: Final = b"\x04"
_RAW_BANNER: Final = b"raw REPL; CTRL-B to exit\r\n>"


class Line(Protocol):
    """The host's end of a serial line."""

    def feed(self, data: bytes) -> None:
        """Send `data` to the board."""


class Typed(Protocol):
    """A board that runs while somebody waits for its output, as patchctl.emulator.Machine does."""

    @property
    def serial(self) -> Line:
        """Where to type."""

    def run_until_output(self, wanted: bytes, *, limit_us: int = ...) -> bytes:
        """Run until the board has sent `wanted`; all output up to there."""


class ScriptOutput(NamedTuple):
    """What a MicroPython script printed, and the traceback it ended with, or ""."""

    printed: str
    error: str


@dataclass(frozen=True, slots=True)
class Console:
    """A terminal on `board`, whose firmware says `prompt` when it is ready. Raises what waiting raises."""

    board: Typed
    prompt: bytes = PROMPT

    def line(self, text: str) -> str:
        """Types one line; gives what the board printed before its next prompt, without the echo."""
        self.board.serial.feed(text.encode() + b"\r")
        output = self.board.run_until_output(b"\r\n" + self.prompt)
        printed = output.removesuffix(self.prompt).removesuffix(b"\r\n").removeprefix(text.encode())
        return printed.decode().replace("\r\n", "\n").removeprefix("\n")

    def enter_raw(self) -> None:
        """Raw REPL: no echo, no prompt for each line (MicroPython's documentation, reference/repl.rst)."""
        self.board.serial.feed(b"\r\x01")
        self.board.run_until_output(_RAW_BANNER)

    def leave_raw(self) -> None:
        """Back to the prompt."""
        self.board.serial.feed(b"\x02")
        self.board.run_until_output(self.prompt)

    def run_raw(self, script: bytes, *, limit_us: int) -> tuple[bytes, bytes]:
        """Runs a script in raw REPL and stays there; gives its output and its traceback as they came."""
        self.board.serial.feed(script + END_OF_TEXT)
        self.board.run_until_output(b"OK", limit_us=limit_us)
        printed, error = (self.board.run_until_output(END_OF_TEXT, limit_us=limit_us)[:-1] for _ in range(2))
        self.board.run_until_output(b">", limit_us=limit_us)
        return printed, error

    def run_script(self, script: str | bytes | Path, *, limit_ms: int = 60_000) -> ScriptOutput:
        """Runs a script in raw REPL, between two prompts; each part of its way may take `limit_ms`."""
        source = script.read_bytes() if isinstance(script, Path) else script
        self.enter_raw()
        raw = self.run_raw(source.encode() if isinstance(source, str) else source, limit_us=limit_ms * 1000)
        self.leave_raw()
        return ScriptOutput(*(part.decode().replace("\r\n", "\n") for part in raw))


__all__ = ["END_OF_TEXT", "PROMPT", "Console", "Line", "ScriptOutput", "Typed"]
