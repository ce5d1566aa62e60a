"""Stop 5 of 12. What the verifier says when it cannot prove a program safe.

Takes the place, what is known there and what would be needed; gives a Finding that prints itself with its
line of C. Next: host/patchctl/verifier/analyze.py
"""

from __future__ import annotations

from dataclasses import dataclass

from patchctl.btf import SourceLine


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that could not be proved, at instruction `at` (counted in 8-byte slots).

    `kind` is one of register, memory, pointer, verdict, loop, call, flow, size, structure.
    """

    at: int
    kind: str
    says: str
    known: str = ""
    needed: str = ""
    hint: str = ""
    instruction: str = ""
    line: SourceLine | None = None

    @property
    def where(self) -> str:
        """The place in the source, or the instruction if the object has no line information."""
        return str(self.line) if self.line else f"instruction {self.at}"

    def render(self) -> str:
        """Several lines for a terminal: the place, the source line, what is known, what is needed."""
        rows = [f"{self.where}: error[{self.kind}]: {self.says}"]
        if self.line:
            number = f"{self.line.line:5} | "
            rows.append(number + self.line.text.rstrip())
            rows.append(" " * (len(number) + max(self.line.column - 1, 0)) + "^")
        rows += [
            f"  {title + ':':8}{text}"
            for title, text in (
                ("known", self.known),
                ("needed", self.needed),
                ("help", self.hint),
                ("at", f"instruction {self.at}: {self.instruction}" if self.instruction else ""),
            )
            if text
        ]
        return "\n".join(rows)
