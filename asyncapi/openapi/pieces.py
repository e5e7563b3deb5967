"""Take a source apart into pieces, statements with what stands above them, and put them together byte for byte."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from asyncapi.errors import ConfigError
from asyncapi.openapi.digests import digest
from asyncapi.openapi.layout import PRAGMA, SECTION

DOC = "__doc__"
HEAD = "__class__"


@dataclass
class Piece:
    """One statement of a module or a class; a docstring behind a field, and overloads, belong to it.

    Attributes:
        key: Its name among its neighbours.
        text: Its lines, comments at their ends included.
        nodes: Its statements.
        above: The lines above it: comments, and empty ones.
        members: Of a class, its pieces; None for everything else.
        head: Of a class, its lines up to the colon.
        tail: Of a class, the comment lines at its end.
    """

    key: str
    text: str
    nodes: list[ast.stmt]
    above: list[str] = field(default_factory=list)
    members: list[Piece] | None = None
    head: str = ""
    tail: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """What is the same as long as nobody changes it."""
        return digest(self.nodes, self.text)

    @property
    def head_digest(self) -> str:
        """The same of the first line of a class: its decorators, bases and keywords."""
        node = self.nodes[0]
        if not isinstance(node, ast.ClassDef):
            return ""
        bare = ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
        return digest([bare], "")

    @property
    def is_import(self) -> bool:
        """Whether it imports."""
        return isinstance(self.nodes[0], ast.Import | ast.ImportFrom)

    def names(self) -> set[str]:
        """Return every name that it uses, in quoted annotations too."""
        nodes: list[ast.AST] = list(self.nodes)
        found: set[str] = set()
        if self.members is not None and isinstance(head := self.nodes[0], ast.ClassDef):
            nodes = [*head.bases, *head.keywords, *head.decorator_list]
            found = found.union(*(one.names() for one in self.members))
        for node in nodes:
            for one in ast.walk(node):
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
                    found.add(one.id)
                elif isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier():
                    found.add(one.value)
        return found

    def whole(self) -> str:
        """Its source, with what stands above it."""
        if self.members is None:
            return "\n".join([*self.above, self.text])
        parts = [one.whole() for one in self.members]
        return "\n".join([*self.above, self.head, *parts, *self.tail])


@dataclass
class Source:
    """A module in pieces.

    Attributes:
        pieces: In their order.
        tail: The comment lines at the end.
    """

    pieces: list[Piece]
    tail: list[str]


def taken_apart(source: str, where: str) -> Source:
    """Take a module apart.

    Args:
        source: With newlines at the ends of its lines, no carriage returns.
        where: How errors call it.

    Raises:
        ConfigError: It is not valid Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigError(
            f"{where}{line}: it isn't valid Python ({error.args[0]}): mend it, and run this again"
        ) from None
    lines = source.split("\n")
    pieces, tail = _pieces(tree.body, lines, 0, len(lines), where)
    return Source(pieces, [line for line in tail if line.strip()])


def _pieces(body: list[ast.stmt], lines: list[str], start: int, end: int, where: str) -> tuple[list[Piece], list[str]]:
    """Cut the lines from `start` to `end` (from 0, without the last) into pieces, and return what is left."""
    made: list[Piece] = []
    at = start
    for index, node in enumerate(body):
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) - 1
        last = node.end_lineno or node.lineno
        if first < at:
            raise ConfigError(f"{where}, line {node.lineno}: two statements in one line: write each in its own")
        above, text = lines[at:first], "\n".join(lines[first:last])
        key = _key(node, index, body)
        if made and _belongs(made[-1], node, key) and not any(line.strip() for line in above):
            piece = made[-1]
            piece.text = "\n".join([piece.text, *above, text])
            piece.nodes.append(node)
            at = last
            continue
        piece = Piece(_free(key, made), text, [node], above)
        at = last
        if isinstance(node, ast.ClassDef):
            at = _open_class(piece, node, lines, _end_of(body, index, end), where)
        made.append(piece)
    return made, lines[at:end]


def _end_of(body: list[ast.stmt], index: int, end: int) -> int:
    if index + 1 == len(body):
        return end
    following = body[index + 1]
    return int(min([following.lineno, *(one.lineno for one in getattr(following, "decorator_list", ()))])) - 1


def _open_class(piece: Piece, node: ast.ClassDef, lines: list[str], end: int, where: str) -> int:
    """Take a class apart, and return the line behind it; indented comments at its end belong to it."""
    inner = node.body[0]
    first = int(min([inner.lineno, *(one.lineno for one in getattr(inner, "decorator_list", ()))])) - 1
    top = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
    if first < node.lineno:  # class Pet(Model): ...
        return int(node.end_lineno or node.lineno)
    head = first
    while head > node.lineno and (not lines[head - 1].strip() or lines[head - 1].lstrip().startswith("#")):
        head -= 1
    last = node.end_lineno or node.lineno
    depth = len(lines[first]) - len(lines[first].lstrip())
    while last < end and (not lines[last].strip() or _is_deeper(lines[last], depth)):
        last += 1
    while last > (node.end_lineno or 0) and not lines[last - 1].strip():
        last -= 1
    piece.head = "\n".join(lines[top:head])
    piece.members, tail = _pieces(node.body, lines, head, last, where)
    piece.tail = tail if any(line.strip() for line in tail) else []
    return int(last)


def _is_deeper(line: str, depth: int) -> bool:
    return line.lstrip().startswith("#") and len(line) - len(line.lstrip()) >= depth


def _key(node: ast.stmt, index: int, body: list[ast.stmt]) -> str:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Expr(value=ast.Constant(value=str())) if index == 0 and body[0] is node:
            return DOC
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            return "pass"
        case ast.Expr(value=ast.Call(args=[], keywords=[]) as call):
            return f"{ast.unparse(call.func)}()"
    return f"statement:{digest([node], '')}"


def _belongs(piece: Piece, node: ast.stmt, key: str) -> bool:
    """Whether a statement belongs to the piece above: a docstring of a field, the next overload, a setter."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return isinstance(piece.nodes[-1], ast.Assign | ast.AnnAssign) and len(piece.nodes) == 1
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return piece.key == key and isinstance(piece.nodes[-1], ast.FunctionDef | ast.AsyncFunctionDef)
    return False


def _free(key: str, made: list[Piece]) -> str:
    keys = {one.key for one in made}
    count, free = 1, key
    while free in keys:
        count += 1
        free = f"{key}#{count}"
    return free


def own_comments(lead: list[str]) -> list[str]:
    """Return the comment lines that are a person's: no section's title, and no pragma of ours."""
    return [line for line in lead if line.strip() and not SECTION.match(line) and line.strip() != PRAGMA]


def generated_comments(lead: list[str]) -> list[str]:
    """Return the comment lines that are ours."""
    return [line for line in lead if line.strip() and not own_comments([line])]
