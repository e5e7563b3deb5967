"""`asyncapi fetch`: the options of a bulk job, turned into an `asyncapi.bulk.Job`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.commands import Command, show_help
from asyncapi.cli.fetch_options import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

HELP = """\
Send a request for each row of INPUT, and write each response to the output.
INPUT is a file with a URL on each line, or with requests (.jsonl, .csv, .tsv);
- for stdin.

Stop it at any time, even by a kill. The same command with --resume continues:
no row is lost, and none is written twice.

Exit codes:
  0    all rows are ok
  1    some rows failed, or the job stopped early
  2    wrong usage or input
  130  interrupted"""

EXAMPLES = """\
Examples:
  asyncapi fetch urls.txt -o users.jsonl
  asyncapi fetch urls.txt -o users.jsonl --resume
  asyncapi fetch --url 'https://host/items/{id}' --from ids.csv -o items.csv
  asyncapi fetch urls.txt -o users.sqlite --rate 50 --auth-env API_TOKEN
  asyncapi fetch urls.txt -o users.parquet --model app.models:User
  make-urls | asyncapi fetch - -o - --quiet | jq .data"""


def fetch(given: Mapping[str, Any]) -> int:
    """Run the job that the options describe; return the exit code."""
    options = {name: value for name, value in given.items() if value is not None}
    if not options:
        show_help(click.get_current_context())
    dry_run, quiet = options.pop("dry_run", False), options.pop("quiet", False)
    settings = _settings(options, dry_run=dry_run)
    from asyncapi.cli.running import run_job

    return run_job(settings, dry_run=dry_run, quiet=quiet)


def _settings(options: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Return the arguments of `Job`."""
    options["input"] = _one_input(options.pop("input", None), options.pop("source", None), options.get("url"))
    if "output" not in options and not dry_run:
        raise click.BadParameter("no output: name a file, such as -o users.jsonl, or - for stdout", param_hint="-o")
    options.setdefault("output", "-")
    ca, insecure = options.pop("ca", None), options.pop("insecure", False)
    if ca is not None and insecure:
        raise click.BadParameter("--ca and --insecure contradict each other: give one of them", param_hint="--ca")
    return {**options, "tls": ca if ca is not None else not insecure}


def _one_input(path: str | None, source: str | None, url: str | None) -> str:
    if (path is None) == (source is None):
        problem = "give INPUT or --from, not both" if path else "no input: name a file, or - for stdin"
        raise click.BadParameter(problem, param_hint="INPUT")
    if source is not None and url is None:
        raise click.BadParameter("--from needs a template: --url 'https://host/items/{id}'", param_hint="--from")
    return path or source or ""


command: Command = Command(
    "fetch", fetch, TABLE, arguments=[click.Argument(["input"], required=False, type=click.UNPROCESSED)],
    help=HELP, short="Send a request for each row of a file.", epilog=EXAMPLES,
)  # fmt: skip
