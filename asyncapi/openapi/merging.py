"""Put a new version of a client into a file that people have worked in: `renewed`.

For every definition, and every member of a class:

    the document has it    the file's is     then
    yes                    untouched         it is renewed
    yes                    changed           it is kept, and reported
    yes                    gone              it stays away, and is reported, unless something needs it
    yes                    a person's own    it is kept, and reported
    no                     untouched         it goes, unless something that stays needs it
    no                     changed           it is kept, and reported
    no                     a person's own    it is kept

Rules:
1. What is untouched, or differs in its layout alone, keeps its text: a second run changes nothing.
2. What a person has added stays behind what it stood behind, and behind the classes that it uses.
3. Imports are kept, and those that are no longer needed and were ours go.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncapi.openapi import digests, layout
from asyncapi.openapi.pieces import DOC, HEAD, Piece, generated_comments, own_comments, taken_apart

if TYPE_CHECKING:
    from collections.abc import Collection

    from asyncapi.openapi.pieces import Source


@dataclass
class Report:
    """What became of the definitions of a file.

    Attributes:
        added: Names that are new.
        changed: Names that were renewed.
        removed: Names that the document no longer has.
        kept: Name -> why it was left as it is.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Say it, a line for each thing that a person should know."""
        made = [f"kept: {name}: {why}" for name, why in self.kept.items()]
        for word, names in (("added", self.added), ("changed", self.changed), ("removed", self.removed)):
            if names:
                shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")  # noqa: PLR2004
                made.append(f"{word}: {shown}")
        return made


def marked(source: str, client: str) -> str:
    """Write the notes for another run behind a new source."""
    return f"{source.rstrip()}\n\n\n{digests.written(_marks(taken_apart(source, 'the new client'), client))}"


def renewed(current: str, new: str, client: str, *, where: str, needed: Collection[str] = ()) -> tuple[str, Report]:
    """Put a new version into a file.

    Args:
        current: What the file has, with notes of an earlier run.
        new: The new source, without notes.
        client: The name of the client's class.
        where: How errors call the file.
        needed: Names that another file of the package uses.

    Raises:
        ConfigError: The file is not valid Python.
    """
    text, marks = digests.split(current)
    marks = marks or digests.Marks()
    old, fresh = taken_apart(text, where), taken_apart(new, "the new client")
    merge = _Merge(marks, old, fresh)
    source = merge.run(set(needed))
    return f"{source.rstrip()}\n\n\n{digests.written(_marks(fresh, client))}", merge.report


def renamed(current: str, where: str) -> str:
    """Return the name of the client's class in a file; a person may have renamed it."""
    text, marks = digests.split(current)
    if marks is None:
        return ""
    pieces = {one.key: one for one in taken_apart(text, where).pieces}
    if marks.client in pieces:
        return marks.client
    known = {name.partition(".")[2] for name in marks.digests if name.startswith(f"{marks.client}.")} - {HEAD, DOC}
    for name, piece in pieces.items():
        if name not in marks.digests and known & {one.key for one in piece.members or ()}:
            return name
    return marks.client


def used_from(source: str, module: str) -> set[str]:
    """Return the names that a source imports from a module of its package."""
    pieces = taken_apart(digests.split(source)[0], "the client").pieces
    found = {name for one in pieces if one.is_import for home, name in imported(one) if home == module}
    return {name.partition(" as ")[0] for name in found}


def _marks(source: Source, client: str) -> digests.Marks:
    made = digests.Marks(client)
    for piece in source.pieces:
        if piece.is_import:
            made.imports |= imported(piece)
        elif piece.members is None:
            made.digests[piece.key] = piece.digest
        else:
            made.digests[f"{piece.key}.{HEAD}"] = piece.head_digest
            made.digests |= {f"{piece.key}.{one.key}": one.digest for one in piece.members if one.key != "pass"}
    return made


def imported(piece: Piece) -> set[tuple[str, str]]:
    """Return what an import imports, as (module, name)."""
    match piece.nodes[0]:
        case ast.ImportFrom(module=module, names=names, level=level):
            home = "." * level + (module or "")
            return {(home, f"{one.name} as {one.asname}" if one.asname else one.name) for one in names}
    return set()


class _Merge:
    """One run of the table at the top of this module."""

    def __init__(self, marks: digests.Marks, old: Source, new: Source) -> None:
        self.report = Report()
        self._marks = marks
        self._old = old
        self._new = new

    def run(self, needed: set[str]) -> str:
        """Return the source."""
        while True:  # what stays may need what would go
            self.report = Report()
            body = self._level(_definitions(self._old), _definitions(self._new), "", needed)
            names = {one.key for one in body}
            used: set[str] = set().union(*(one.names() for one in body)) if body else set()
            candidates = {one.key for source in (self._old, self._new) for one in _definitions(source)}
            missing = (used & candidates) - names - needed
            if not missing:
                break
            needed |= missing
        return self._assembled(body)

    # --- the table ---------------------------------------------------------------------------------------------------

    def _level(self, old: list[Piece], new: list[Piece], prefix: str, needed: set[str]) -> list[Piece]:
        by_key = {one.key: one for one in old}
        made: list[Piece] = []
        for piece in new:
            current = by_key.get(piece.key)
            if current is None:
                if piece.key != "pass" and self._gone(piece, prefix) and piece.key not in needed:
                    self.report.kept[prefix + piece.key] = "you have removed it, and it stays away"
                    continue
                if piece.key != "pass" or not old:
                    self.report.added.append(prefix + piece.key)
                    made.append(piece)
            elif current.members is not None and piece.members is not None:
                made.append(self._class(current, piece, needed))
            else:
                made.append(self._chosen(current, piece, prefix))
        self._insert_own(old, new, made, prefix, needed)
        return made

    def _gone(self, piece: Piece, prefix: str) -> bool:
        known = self._marks.digests
        return prefix + piece.key in known or (piece.members is not None and f"{piece.key}.{HEAD}" in known)

    def _chosen(self, current: Piece, piece: Piece, prefix: str) -> Piece:
        name = prefix + piece.key
        mark = self._marks.digests.get(name)
        here, there = current.digest, piece.digest
        above = _above(current, piece)
        if here == there:
            return _with(current, above)
        if here == mark:
            self.report.changed.append(name)
            return _with(piece, above)
        if mark is None:
            self.report.kept[name] = "it is yours, and the document has one of the same name"
        elif mark == there:
            self.report.kept[name] = "you have changed it"
        else:
            self.report.kept[name] = "you have changed it, and so has the document: compare them"
        return _with(current, above)

    def _class(self, current: Piece, piece: Piece, needed: set[str]) -> Piece:
        name = f"{piece.key}.{HEAD}"
        mark = self._marks.digests.get(name)
        head, nodes = current.head, current.nodes
        if current.head_digest != piece.head_digest:
            if current.head_digest == mark:
                self.report.changed.append(piece.key)
                head, nodes = piece.head, piece.nodes
            else:
                why = (
                    "you have changed its first line"
                    if mark
                    else "it is yours, and the document has one of the same name"
                )
                self.report.kept[piece.key] = why
        if mark is None and not any(one.startswith(f"{piece.key}.") for one in self._marks.digests):
            return _with(current, _above(current, piece))
        members = self._level(current.members or [], piece.members or [], f"{piece.key}.", needed)
        made = Piece(piece.key, "", nodes, _above(current, piece), members, head, current.tail)
        if not members:
            made.members = [Piece("pass", "    pass", [ast.Pass()])]
        elif len(members) > 1:
            made.members = [one for one in members if one.key != "pass"] or members
        return made

    def _insert_own(self, old: list[Piece], new: list[Piece], made: list[Piece], prefix: str, needed: set[str]) -> None:
        """Put what only the file has behind what it stood behind."""
        fresh = {one.key for one in new}
        before: str | None = None
        orphans: list[str] = []
        for piece in old:
            if piece.key not in fresh and piece.key != "pass":
                if not self._stays(piece, prefix, needed):
                    self.report.removed.append(prefix + piece.key)
                    orphans += own_comments(piece.above)
                    continue
                at = self._place(piece, before, made, prefix)
                made.insert(at, piece)
            if orphans and any(one.key == piece.key for one in made):
                piece = next(one for one in made if one.key == piece.key)
                piece.above = (
                    [*piece.above[:1], *orphans, *piece.above[1:]]
                    if not piece.above or not piece.above[0].strip()
                    else [*orphans, *piece.above]
                )
                orphans = []
            if any(one.key == piece.key for one in made):
                before = piece.key

    def _stays(self, piece: Piece, prefix: str, needed: set[str]) -> bool:
        name = prefix + piece.key
        known = self._marks.digests
        if piece.members is None:
            if name not in known:
                return True
            if piece.digest != known[name]:
                self.report.kept[name] = "you have changed it; the document no longer has it"
                return True
        else:
            if f"{piece.key}.{HEAD}" not in known:
                return True
            touched = [
                one for one in piece.members if known.get(f"{piece.key}.{one.key}") != one.digest and one.key != "pass"
            ]
            if (
                touched
                or piece.head_digest != known[f"{piece.key}.{HEAD}"]
                or any(own_comments(one.above) for one in piece.members)
            ):
                self.report.kept[name] = "you have changed it; the document no longer has it"
                return True
        if not prefix and piece.key in needed:
            self.report.kept[name] = "what you have written uses it; the document no longer has it"
            return True
        return False

    def _place(self, piece: Piece, before: str | None, made: list[Piece], prefix: str) -> int:
        keys = [one.key for one in made]
        at = keys.index(before) + 1 if before in keys else (1 if keys[:1] == [DOC] else 0)
        if not prefix:  # rule 2: behind what it uses
            used = piece.names()
            at = max([at, *(index + 1 for index, key in enumerate(keys) if key in used and key != before)])
        return at

    # --- the file ----------------------------------------------------------------------------------------------------

    def _assembled(self, body: list[Piece]) -> str:
        imports = self._imports(body)
        opening = [one for one in body if one.key == DOC]
        rest = [one for one in body if one.key != DOC]
        parts = [one.whole() for one in [*opening, *imports, *rest]]
        text = "\n".join(parts).lstrip("\n")
        return "\n".join([text, *self._tail()]) + "\n"

    def _tail(self) -> list[str]:
        return ["", "", *self._old.tail] if self._old.tail else []

    def _imports(self, body: list[Piece]) -> list[Piece]:
        old = [one for one in self._old.pieces if one.is_import]
        wanted: set[tuple[str, str]] = set().union(*(imported(one) for one in self._new.pieces if one.is_import))
        there: set[tuple[str, str]] = set().union(*(imported(one) for one in old)) if old else set()
        used: set[str] = set().union(*(one.names() for one in body)) if body else set()
        bound = {name.rpartition(" as ")[2] for _, name in there}
        kept = {one for one in there if one not in self._marks.imports or one[1].rpartition(" as ")[2] in used}
        more = {one for one in wanted if one[1].rpartition(" as ")[2] in used or one[0] == "__future__"}
        missing = {one for one in more - there if one[1].rpartition(" as ")[2] not in bound}
        if kept | {one for one in there if one[0] == "__future__"} == there and not missing:
            return old
        return _written(old, kept | missing | {one for one in there if one[0] == "__future__"}, self._new)


def _definitions(source: Source) -> list[Piece]:
    return [one for one in source.pieces if not one.is_import]


def _above(current: Piece, piece: Piece) -> list[str]:
    """The lines above a definition: as they were, unless the generated ones among them have changed."""
    if generated_comments(current.above) == generated_comments(piece.above):
        return current.above
    return [*piece.above, *own_comments(current.above)]


def _with(piece: Piece, above: list[str]) -> Piece:
    return Piece(piece.key, piece.text, piece.nodes, above, piece.members, piece.head, piece.tail)


def _written(old: list[Piece], names: set[tuple[str, str]], new: Source) -> list[Piece]:
    """Write the imports anew; those with a comment, and those that import modules, stay as they are."""
    from asyncapi.openapi.formatting import formatted  # noqa: PLC0415 - only where imports change

    verbatim = [
        one for one in old
        if isinstance(one.nodes[0], ast.Import) or "#" in one.text or ("*" in {name for _, name in imported(one)})
    ]  # fmt: skip
    done = set().union(*(imported(one) for one in verbatim)) if verbatim else set()
    homes: dict[str, set[str]] = {}
    for home, name in names - done:
        homes.setdefault(home, set()).add(name)
    comments = [line for one in old if one not in verbatim for line in own_comments(one.above)]
    future = homes.pop("__future__", set())
    first = next((one.above for one in [*old, *new.pieces] if one.is_import), [])
    text = f"from __future__ import {', '.join(sorted(future))}\n" if future else ""
    plain = "\n".join(one.text for one in verbatim)
    lines = formatted(f"{text}\n{plain}\n{layout.written(homes)}\n").rstrip("\n").split("\n")
    pragmas = [line for line in first if line.strip() and line not in comments]
    above = ["", *([*pragmas, ""] if pragmas else []), *comments]
    return [Piece("import", "\n".join(lines), [ast.Pass()], above)]
