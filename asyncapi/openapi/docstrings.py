"""Write what a document says as docstrings: its own words, as plain text, wrapped."""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata

WIDTH = 88

_TAGS = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>")
_BREAKS = re.compile(r"<(?:br|/p|/div|/h\d|/tr)\s*/?>\s*", re.IGNORECASE)
_POINTS = re.compile(r"<li[^<>]*>\s*", re.IGNORECASE)
_LINKS = re.compile(r"!?\[([^\[\]]*)\]\((\S*?)(?:\s+\"[^\"]*\")?\)")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{2,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d{1,3}[.)])\s+")
_LITERAL = re.compile(r"^(?:\s{4,}|\t|\||```|~~~)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'`(])")


def plain(text: str) -> str:
    """Return a text without markup that a docstring can't show, and without characters that no source should have."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    if "<" in text:
        text = _POINTS.sub("\n- ", _BREAKS.sub("\n\n", text))
        text = _TAGS.sub("", text)
    if "&" in text:
        text = html.unescape(text)
    text = _LINKS.sub(_link, text)
    text = "".join(
        one for one in text if one == "\n" or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    )
    return text.replace("\u00a0", " ").strip()


def _link(found: re.Match[str]) -> str:
    text, target = found[1].strip(), found[2]
    if not target or target.startswith("#") or text == target:
        return text
    return f"{text} ({target})" if text else target


def paragraphs(text: str) -> list[str]:  # noqa: C901 - one line after the other, each of one kind
    """Split a text into paragraphs, items of lists and literal blocks."""
    blocks: list[str] = []
    current: list[str] = []
    literal = fenced = False

    def end() -> None:
        nonlocal current
        if any(line.strip() for line in current):
            blocks.append("\n".join(current) if literal else " ".join(line.strip() for line in current))
        current = []

    for line in plain(text).split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            end()
            fenced = literal = not fenced
            continue
        if fenced:
            current.append(f"    {line.rstrip()}")
            continue
        if not line.strip():
            end()
            literal = False
            continue
        if (found := _HEADING.match(line.strip())) is not None:
            end()
            blocks.append(found[1])
            continue
        if _LITERAL.match(line) and not _ITEM.match(line):
            if not literal:
                if current:
                    current.append(line)
                    continue
                literal = True
            current.append(line.rstrip())
            continue
        if literal or _ITEM.match(line):
            end()
            literal = False
        current.append(line)
    end()
    return [_EMPHASIS.sub(r"\2", block) if not block.startswith("    ") else block for block in blocks]


def wrapped(text: str, indent: int, *, hang: int = 0) -> str:
    """Wrap a text at the width of the file; the lines after the first are `hang` columns deeper."""
    out: list[str] = []
    before = ""
    for block in paragraphs(text):
        if block.startswith("    ") and "\n" in f"{block}\n":
            piece = textwrap.indent(textwrap.dedent(block), " " * (indent + 4))
        else:
            found = _ITEM.match(block)
            deeper = hang if found is None else hang + len(found[2]) + 1
            first = " " * (indent + hang if found is not None or out else indent)
            piece = textwrap.fill(
                block, WIDTH, initial_indent=first, subsequent_indent=" " * (indent + (deeper or hang)),
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
        if out and not (_ITEM.match(block) and _ITEM.match(before)):
            out.append("")
        out.append(piece)
        before = block
    return "\n".join(line.rstrip() for line in out)


def sentence(text: str) -> str:
    """Return a text that ends as a sentence does."""
    text = " ".join(plain(text).split())
    return text if not text or text[-1] in ".!?:;" else f"{text}."


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, in one line."""
    found = paragraphs(text)
    return sentence(_SENTENCE.split(found[0].strip(), maxsplit=1)[0]) if found else ""


def docstring(text: str, indent: int) -> str:
    """Write a docstring, quotes and indentation included."""
    space = " " * indent
    body = wrapped(text, indent).strip()
    end = '\\"' if body.endswith('"') else ""
    body = body.removesuffix('"') if end else body
    body = body.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + end
    if "\n" not in body and len(body) + indent + 6 <= WIDTH:
        return f'{space}"""{body}"""'
    return f'{space}"""{_raised(body, space)}\n{space}"""'


def _raised(body: str, space: str) -> str:
    """Move the first line beside the quotes where it has room."""
    first, _, rest = body.partition("\n")
    if len(space) + 3 + len(first) > WIDTH:
        head, _, tail = first.rpartition(" ")
        if head:
            rest = f"{space}{tail}" + (f"\n{rest}" if rest else "")
            first = head
    return f"{first}\n{rest}" if rest else first
