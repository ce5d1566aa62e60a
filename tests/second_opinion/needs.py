"""Stop 12 of 12. What a test of MicroPython's suite needs before it can run: modules, and files.

Takes a test's source; gives the modules it imports, whether come what may or only if they are there, and
whether it opens files. Our boards have no file system. Next: suite.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Needs:
    """`always`: modules imported outside of any try and function; `perhaps`: the others; `opens` a file."""

    always: frozenset[str]
    perhaps: frozenset[str]
    opens: bool

    @property
    def modules(self) -> frozenset[str]:
        """All that it may import."""
        return self.always | self.perhaps


def needs_of(path: Path) -> Needs:
    """What the test at `path` needs; nothing that we know of, if CPython cannot read it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return Needs(frozenset(), frozenset(), False)
    always = frozenset(name for node in tree.body for name in _imported(node))
    every = frozenset(name for node in ast.walk(tree) for name in _imported(node))
    return Needs(always, every - always, any(_opens(node) for node in ast.walk(tree)))


def _imported(node: ast.AST) -> Iterator[str]:
    """The first parts of the names that an import statement asks for."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _opens(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"


def is_of_the_suite(path: Path, module: str) -> bool:
    """Whether `module` is a file or folder beside the test at `path`."""
    return (path.parent / module).is_dir() or (path.parent / f"{module}.py").is_file()
