"""Recognise generated source again: a digest that no formatter changes, and the lines that keep the digests.

Rules:
1. A digest is of the syntax tree and the comments: quotes, line breaks, trailing commas and parentheses don't count,
   nor do the spaces of docstrings, nor a `...` behind one.
2. It is the same for every version of Python: fields that are empty are left out.
3. The digests stand in comments at the end of the file, as `name=digest`: `Pet.name` is a member of the class `Pet`,
   `__class__` its first line. Imports stand among them as `import:module:name`.
"""

from __future__ import annotations

import ast
import hashlib
import io
import textwrap
import tokenize
from dataclasses import dataclass, field

from asyncapi.openapi.docstrings import WIDTH

FIRST_LINE = "# --- asyncapi generate: by these lines another run knows what you have changed ---"
_CLIENT = "client:"
_IMPORT = "import:"
_LENGTH = 6  # hexadecimal digits


@dataclass
class Marks:
    """What an earlier run has written.

    Attributes:
        client: The name of the client's class.
        digests: Name -> digest.
        imports: (module, name).
    """

    client: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    imports: set[tuple[str, str]] = field(default_factory=set)


def digest(nodes: list[ast.stmt], source: str) -> str:
    """Return the digest of statements and of the comments within their source."""
    parts: list[str] = []
    for node in nodes:
        _write(node, parts)
    parts += sorted(comments(source))
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def comments(source: str) -> list[str]:
    """Return the comments of a piece of source, but those that steer tools."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline):
            if token.type == tokenize.COMMENT:
                text = token.string.lstrip("#").strip()
                if text and not text.startswith(("noqa", "fmt:", "type: ignore", "pyright:", "pragma:")):
                    found.append(text)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return found


def _write(node: object, parts: list[str]) -> None:
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        for name, value in ast.iter_fields(node):
            if name in {"type_comment", "kind", "ctx"} or value is None or value == []:
                continue
            parts.append(name)
            if name == "body" and isinstance(value, list):
                value = _said_once(value)
            _write(value, parts)
    elif isinstance(node, list):
        for one in node:
            _write(one, parts)
    elif isinstance(node, _Text):
        parts.append(" ".join(str(node).split()))
    else:
        parts.append(repr(node))


class _Text(str):
    """A docstring: its spaces don't count."""

    __slots__ = ()


def _said_once(body: list[ast.stmt]) -> list[object]:
    """A body with its docstring as a text, and without a `...` or `pass` that says nothing beside others."""
    made: list[object] = []
    for node in body:
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                made.append(_Text(text))
            case ast.Expr(value=ast.Constant(value=value)) if value is Ellipsis:
                continue
            case ast.Pass():
                continue
            case _:
                made.append(node)
    return made


def written(marks: Marks) -> str:
    """Write the lines that keep the digests."""
    words = [f"{_CLIENT}{marks.client}"]
    words += [f"{name}={value}" for name, value in marks.digests.items()]
    words += [f"{_IMPORT}{module}:{name.replace(' as ', '>')}" for module, name in sorted(marks.imports)]
    lines = textwrap.wrap(
        " ".join(words),
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([FIRST_LINE, *lines, ""])


def split(source: str) -> tuple[str, Marks | None]:
    """Split a file into its source and what an earlier run has noted, None where there is nothing."""
    head, line, tail = source.partition(FIRST_LINE)
    if not line:
        return source, None
    marks = Marks()
    rest = []
    ended = False
    for text in tail.split("\n"):
        if not ended and text.startswith("#"):
            _read(text.lstrip("# "), marks)
        else:
            ended = ended or bool(text.strip())
            rest.append(text)
    behind = "\n".join(rest).strip("\n")
    return head.rstrip("\n") + "\n" + (f"\n\n{behind}\n" if behind else ""), marks


def _read(text: str, marks: Marks) -> None:
    for word in text.split():
        if word.startswith(_CLIENT):
            marks.client = word.removeprefix(_CLIENT)
        elif word.startswith(_IMPORT):
            module, _, name = word.removeprefix(_IMPORT).partition(":")
            marks.imports.add((module, name.replace(">", " as ")))
        else:
            name, _, value = word.rpartition("=")
            if name:
                marks.digests[name] = value
