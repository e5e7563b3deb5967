"""`asyncapi fetch`: the options of a bulk job, turned into an `asyncapi.bulk.Job`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.commands import Command, show_help
from asyncapi.cli.fetch_options import TABLE
from asyncapi.cli.options import complete_files

if TYPE_CHECKING:
    from collections.abc import Mapping

HELP = """\
Send a request for each row of INPUT, and write a row for each response.
INPUT is a file with a URL on each line, or with requests (.jsonl, .csv, .tsv,
.sqlite, .parquet; .gz and .zst too), URLs themselves, or - for stdin.

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
  asyncapi fetch urls.txt -o users.jsonl --retry-failed
  asyncapi fetch --url 'https://host/items/{id}' --from ids.csv -o items.csv
  asyncapi fetch urls.txt -o users.sqlite --rate 50 --auth-env API_TOKEN
  asyncapi fetch urls.txt -o users.parquet --model app.models:User
  asyncapi fetch --url https://host/chat --from prompts.csv -o replies.jsonl \\
      --json '{"prompt": "{text}"}' --rate 500/m
  asyncapi fetch https://host/users/1 https://host/users/2
  make-urls | asyncapi fetch --quiet | jq .data
  asyncapi fetch job.toml --dry-run"""

_URL = re.compile(r"https?://", re.IGNORECASE)


def fetch(given: Mapping[str, Any]) -> int:
    """Run the job that the options describe; return the exit code."""
    options = {name: value for name, value in given.items() if value not in (None, ())}
    if not options and not _piped():
        show_help(click.get_current_context())
    options, folder = _with_job_file(options)
    dry_run, quiet = options.pop("dry_run", False), options.pop("quiet", False)
    if quiet and options.get("verbose"):
        raise click.BadParameter("--quiet and --verbose contradict each other: give one of them", param_hint="--quiet")
    settings = _settings(options, dry_run=dry_run)
    from asyncapi.cli.running import run_job

    return run_job(settings, dry_run=dry_run, quiet=quiet, folder=folder)


def _with_job_file(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Add the options of a job file; return them with the folder of the file."""
    inputs, path = options.get("input", ()), options.pop("job", None)
    files = [name for name in inputs if name.lower().endswith(".toml") and not _URL.match(name)]
    if files:
        if len(inputs) > 1 or path is not None:
            raise click.BadParameter(f"{files[0]} is a job file: give one, and no other input", param_hint="INPUT")
        path = files[0]
        del options["input"]
    if path is None:
        return options, ""
    from asyncapi.cli.job_file import with_file

    merged = with_file(path, TABLE, options)
    for name, other in (("cache", "cache_store"), ("cache_store", "cache")):  # --no-cache overrides the file's store
        if options.get(name) not in (None, True) and other not in options:
            merged.pop(other, None)
    return merged, str(Path(path).parent)


def _settings(options: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Return the arguments of `Job`."""
    inputs = options.pop("input", ())
    is_filter = not inputs and "source" not in options and _piped()
    options["input"] = "-" if is_filter else _one_input(inputs, options.pop("source", None), options.get("url"))
    if "output" not in options and not (dry_run or is_filter or not isinstance(options["input"], str)):
        raise click.BadParameter("no output: name a file, such as -o users.jsonl, or - for stdout", param_hint="-o")
    options.setdefault("output", "-")
    ca, insecure = options.get("ca"), options.pop("insecure", False)
    if ca is not None and insecure:
        raise click.BadParameter("--ca and --insecure contradict each other: give one of them", param_hint="--ca")
    _check_others(options)
    options.pop("ca", None)
    return {**options, "tls": ca if ca is not None else not insecure}


def _check_others(options: Mapping[str, Any]) -> None:
    """Check what `Job` can't tell: options without the one they belong to, and files by the names of their options."""
    for name, needed in (("chunk", "on"), ("workers_hint", "shared")):
        if name in options and needed not in options:
            flag = f"--{name.replace('_', '-')}"
            raise click.BadParameter(f"{flag} belongs to --{needed}: give it too", param_hint=flag)
    if "cache_store" in options and options.get("cache") is False:
        raise click.BadParameter(
            "--no-cache and --cache-store contradict each other: give one of them", param_hint="--cache-store"
        )
    for name in ("ca", "cert", "key"):
        if name in options and not Path(options[name]).exists():
            raise click.BadParameter(f"there is no file {options[name]}", param_hint=f"--{name}")


def _one_input(names: tuple[str, ...], source: str | None, url: str | None) -> str | tuple[str, ...]:
    if bool(names) == (source is not None):
        problem = "give INPUT or --from, not both" if names else "no input: name a file, give URLs, or - for stdin"
        if source is not None and "{" in names[0]:
            problem = f"{names[0]} is a template: give it as --url {names[0]!r}"
        raise click.BadParameter(problem, param_hint="INPUT")
    if source is not None:
        if url is None:
            raise click.BadParameter(
                "--from needs a template: --url 'https://host/items/{id}'; or give the file as INPUT",
                param_hint="--from",
            )
        return source
    urls = [name for name in names if _URL.match(name)]
    if len(urls) == len(names):
        if url is not None:
            raise click.BadParameter("--url is a template for the rows of a file: give a file, or URLs alone",
                                     param_hint="INPUT")  # fmt: skip
        return names
    if urls:
        file = next(name for name in names if name not in urls)
        problem = f"{file} is a file and {urls[0]} is a URL: give a file, or URLs"
    elif len(names) > 1:
        problem = f"{len(names)} files: give one, or join them: cat {' '.join(names[:3])} | asyncapi fetch -"
    else:
        return names[0]
    raise click.BadParameter(problem, param_hint="INPUT")


def _piped() -> bool:
    from asyncapi.bulk.lines import stdin_is_piped

    return stdin_is_piped()


command: Command = Command(
    "fetch", fetch, TABLE,
    arguments=[click.Argument(["input"], nargs=-1, type=click.UNPROCESSED, shell_complete=complete_files)],
    help=HELP, short="Send a request for each row of a file, or for each URL.", epilog=EXAMPLES,
)  # fmt: skip
