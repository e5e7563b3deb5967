"""`asyncapi generate`: a client from an OpenAPI document, which is `asyncapi.openapi`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.commands import Command
from asyncapi.cli.options import PATH, SWITCH, Kind, Opt, Table, complete_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.openapi.document import Document
    from asyncapi.openapi.layout import Draft
    from asyncapi.openapi.writing import Written


def _words(value: Any) -> tuple[str, ...]:
    found = tuple(word.strip() for word in ([value] if isinstance(value, str) else value))
    if not all(found):
        raise ValueError("give a tag, an operation's id or a path")
    return found


TABLE: Table = {
    "Output": (
        Opt("output", "--output -o", "PATH", "client.py, or client/ for a package; - is stdout.", PATH, "-"),
        Opt("class_name", "--class-name", "NAME", "Name of the client's class; by default the document's title."),
        Opt(
            "only",
            "--only",
            "WORD",
            "Tag, id or path of the operations to write. May be repeated.",
            Kind(_words, many=True),
        ),
    ),
    "Before anything is written": (
        Opt("check", "--check", "", "Say what the document gets wrong; exit with 1 if there are errors.", SWITCH),
        Opt("diff", "--diff", "", "Show what would change, as a diff, and write nothing.", SWITCH),
        Opt("dry_run", "--dry-run", "", "Say what would change, and write nothing.", SWITCH),
    ),
    "Messages": (Opt("quiet", "--quiet -q", "", "Say nothing but errors, and what was kept.", SWITCH),),
}

HELP = """\
Write a client from an OpenAPI document: a class with a method for each
operation, pydantic models, pages, streams, errors and credentials.

DOCUMENT is a file, a URL, or - for stdin: OpenAPI 3.0, 3.1, 3.2 or Swagger
2.0, as JSON or YAML. Run the same command again when the document has changed: what
you have added to the file stays, what you have changed is kept and named, and
the rest is renewed."""

EXAMPLES = """\
Examples:
  asyncapi generate openapi.json -o client.py
  asyncapi generate https://api.example.com/openapi.json -o client.py --diff
  asyncapi generate openapi.yaml -o shop/ --class-name Shop --only orders
  asyncapi generate openapi.yaml --check
  curl -s localhost:8000/openapi.json | asyncapi generate - > client.py"""


def generate(given: Mapping[str, Any]) -> int:
    """Write, check or compare."""
    from asyncapi.openapi.reading import read

    say = _silent if given["quiet"] or given["check"] else _say
    say(f"reading {given['document']}")
    document = read(given["document"])
    if given["check"]:
        return _check(document)
    _warn(document)
    from asyncapi.openapi.generating import drafted
    from asyncapi.openapi.writing import known_class, planned

    out = given["output"] or "-"
    name = given["class_name"] or (known_class(out) if out != "-" else "") or None
    draft = drafted(document, class_name=name, only=given["only"] or (), progress=say)
    if not given["quiet"]:
        _note(draft)
    if out == "-":
        from asyncapi.openapi.formatting import formatted
        from asyncapi.openapi.layout import module
        from asyncapi.openapi.merging import marked

        sys.stdout.write(marked(formatted(module(draft)), draft.name))
        return 0
    return _finish(planned(draft, out), given)


def _finish(files: list[Written], given: Mapping[str, Any]) -> int:
    from asyncapi.openapi.writing import write

    preview = bool(given["diff"] or given["dry_run"])
    if given["diff"]:
        sys.stdout.write("".join(one.diff() for one in files))
    for one in files:
        for line in one.report.lines():
            if not given["quiet"] or line.startswith("kept: "):
                print(line, file=sys.stderr)
    if not preview:
        write(files)
    if not given["quiet"]:
        for one in files:
            would = ("would write" if preview else "wrote") if one.is_changed else "unchanged:"
            lines = one.after.count("\n")
            large = f"; {_PACKAGE.format(one.path.stem)}" if lines > _LARGE and len(files) == 1 else ""
            _say(f"{would} {one.path} ({lines:,} lines){large}")
    return 0


_LARGE = 10_000  # lines, above which an editor feels a file
_PACKAGE = "for a file of this size -o {}/ is better: a package, which editors and type checkers take more easily"


def _check(document: Document) -> int:
    from asyncapi.openapi.check import check

    problems = check(document)
    for one in problems:
        print(one)
    errors = sum(one.severity == "error" for one in problems)
    warnings = len(problems) - errors
    if problems:
        print(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}", file=sys.stderr)
    else:
        print(f"no problems in {len(document.operations)} operations", file=sys.stderr)
    return 1 if errors else 0


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _warn(document: Document) -> None:
    """Name the errors of a document that is written all the same; `--check` has the rest."""
    from asyncapi.openapi.check import check

    errors = [one for one in check(document, values=False) if one.severity == "error"]
    for one in errors[:5]:
        print(one, file=sys.stderr)
    if len(errors) > 5:  # noqa: PLR2004 - as many as one looks at
        print(f"... and {len(errors) - 5} more errors: --check shows all", file=sys.stderr)


def _note(draft: Draft) -> None:
    """Say what is left out and what was guessed."""
    from asyncapi.openapi.notes import notes_of

    notes = notes_of(draft)
    for one in notes:
        _say(f"note: {one}")
    if notes:
        _say(f"{_counted(len(notes), 'note')} about what is left out or guessed; --quiet leaves them out")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _silent(text: str) -> None: ...


command: Command = Command(
    "generate",
    generate,
    TABLE,
    arguments=[click.Argument(["document"], required=True, shell_complete=complete_files)],
    help=HELP,
    short="Write a client from an OpenAPI document.",
    epilog=EXAMPLES,
)
