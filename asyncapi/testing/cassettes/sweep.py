"""Find known secrets wherever they stand in text, however many there are.

Rules:
1. From the left, the longest that begins at a place is taken.
2. A short one counts only where it stands alone: it may be part of ordinary words.
3. The time grows with the text alone: up to some tens a regular expression looks for all at once; of more, those with
   the same beginning are looked up by their lengths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST, _SHORT = 4, 8  # characters
_FEW = 50


class Sweep:
    """Texts that are looked for, each of at least `SHORTEST` characters."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._starts: dict[str, dict[int, set[str]]] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, texts: Iterable[str]) -> None:
        """Look for these, too."""
        for text in texts:
            if text in self._texts:
                continue
            self._texts.add(text)
            self._pattern = None
            lengths = self._starts.setdefault(text[:SHORTEST], {})
            if len(text) not in lengths:
                lengths[len(text)] = set()
                self._starts[text[:SHORTEST]] = dict(sorted(lengths.items(), reverse=True))
            self._starts[text[:SHORTEST]][len(text)].add(text)

    def replaced(self, text: str, mask: Callable[[str], str]) -> str:
        """Return a text with what `mask` returns in the place of each that is found."""
        if not self._texts:
            return text
        if len(self._texts) > _FEW:
            return self._walked(text, mask)
        if self._pattern is None:
            ordered = sorted(self._texts, key=lambda each: (-len(each), each))
            self._pattern = re.compile("|".join(map(_bounded, ordered)))
        return self._pattern.sub(lambda found: mask(found[0]), text)

    def _walked(self, text: str, mask: Callable[[str], str]) -> str:
        pieces, at, last, starts = list[str](), 0, 0, self._starts
        for at in range(len(text) - SHORTEST + 1):
            lengths = starts.get(text[at : at + SHORTEST])
            if lengths is None or at < last:
                continue
            for length, each in lengths.items():
                found = text[at : at + length]
                if found in each and (length >= _SHORT or _alone(text, at, at + length)):
                    pieces += text[last:at], mask(found)
                    last = at + length
                    break
        return "".join([*pieces, text[last:]]) if pieces else text


def _bounded(text: str) -> str:
    return re.escape(text) if len(text) >= _SHORT else rf"(?<!\w){re.escape(text)}(?!\w)"


def _alone(text: str, begin: int, end: int) -> bool:
    """Whether no word goes on at either end (rule 2)."""
    before, after = text[begin - 1 : begin], text[end : end + 1]
    return not any(re.match(r"\w", char) for char in (before, after) if char)
