"""`asyncapi report`: the report of a job, made afterwards from its rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.commands import Command
from asyncapi.cli.options import PATH, SWITCH, Opt, Table, complete_files

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Table = {
    "Output": (
        Opt("output", "--output -o", "PATH", "Where to write the report; FILE.html by default.", PATH),
        Opt("quiet", "--quiet -q", "", "Print errors only.", SWITCH),
    ),
}

HELP = """\
Make the HTML report of a job afterwards.

FILE is an output of asyncapi fetch, in any format, or the journal of a job
that has stopped. The report of asyncapi fetch --report shows more: what only
a running job knows is not in its rows."""

EXAMPLES = """\
Examples:
  asyncapi report users.jsonl
  asyncapi report users.sqlite -o report.html
  asyncapi report users.parquet.journal"""


def report(given: Mapping[str, Any]) -> None:
    """Write the report, and say where it is."""
    from asyncapi.bulk.retrospect import report_of

    output = given["output"]
    written = report_of(Path(given["file"]), None if output is None else Path(output))
    if not given["quiet"]:
        print(f"report     {written}", file=sys.stderr)


command: Command = Command(
    "report", report, TABLE, help=HELP, short="Make the report of a job afterwards.", epilog=EXAMPLES,
    arguments=[click.Argument(["file"], type=click.UNPROCESSED, shell_complete=complete_files)],
)  # fmt: skip
