"""Stop 12 of 12. Text with something else planted in it, at a place that must still be there.

Takes a text, and what is to stand where in it; gives the changed text. Next: tests/planting.py
"""

from __future__ import annotations


def spoiled(text: str, *edits: tuple[str, str], of: str = "the text") -> str:
    """`text` with each first part of `edits` replaced by the second; each must stand there exactly once."""
    for found, planted in edits:
        assert text.count(found) == 1, f"{of} has changed, give this a new place: {found!r}"
        text = text.replace(found, planted)
    return text
