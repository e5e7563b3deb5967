"""`asyncapi fetch`: the options of a bulk job, and their way into `asyncapi.bulk.Job`."""
# ruff: noqa: PLR0917 - each is an option by name

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_INPUT, _OUTPUT, _REQUEST = "Input", "Output", "Requests"
_SPEED, _FAILURES, _DISPLAY = "Speed", "Retries and failures", "Display"
_FLAG = " "  # the metavar of an option without a value: typer shows the type of one that has none


class _Format(StrEnum):
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


class _Key(StrEnum):
    auto = "auto"


def _at_least(least: float) -> Callable[[Any], Any]:
    """Check a number; typer's own `min=` shows as a range in the metavar."""

    def check(value: float | None) -> float | None:
        if value is not None and not value >= least:
            raise typer.BadParameter(f"{value:g} is too small: give {least:g} or more")
        return value

    return check


Input = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUT",
        allow_dash=True,
        help="File with a URL on each line, or with requests (.jsonl, .csv, .tsv); - for stdin.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="TEMPLATE",
        help="URL template; each row of the input fills in its {columns}.",
        rich_help_panel=_INPUT,
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="PATH", help="The same as INPUT, to read well after --url.", rich_help_panel=_INPUT),
]
Format = Annotated[
    _Format | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Format of the input, if not by its file name: text, jsonl, csv, tsv.",
        rich_help_panel=_INPUT,
    ),
]
BaseUrl = Annotated[
    str,
    typer.Option("--base-url", metavar="URL", help="Base URL for relative URLs in the input.", rich_help_panel=_INPUT),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Output file: .jsonl, .csv, .sqlite, .db or .parquet; - for stdout.",
        rich_help_panel=_OUTPUT,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar=_FLAG,
        help="Resume a job that was stopped, or start it if there is none.",
        rich_help_panel=_OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", metavar=_FLAG, help="Replace the output if it exists.", rich_help_panel=_OUTPUT),
]
Ordered = Annotated[
    bool,
    typer.Option("--ordered", metavar=_FLAG, help="Write rows in the order of the input.", rich_help_panel=_OUTPUT),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        "-X",
        metavar="METHOD",
        help="HTTP method for rows that don't specify one.",
        rich_help_panel=_REQUEST,
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        metavar="'NAME: VALUE'",
        help="Header to send with every request; may be repeated.",
        rich_help_panel=_REQUEST,
    ),
]
AuthEnv = Annotated[
    str | None,
    typer.Option(
        "--auth-env",
        metavar="VARIABLE",
        help="Environment variable that holds a bearer token to send.",
        rich_help_panel=_REQUEST,
    ),
]
Key = Annotated[
    _Key | None,
    typer.Option(
        "--idempotency-key",
        metavar="auto",
        help="Send an idempotency key with each POST and PATCH; --resume keeps it.",
        rich_help_panel=_REQUEST,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODULE:NAME",
        help="Validate every response with this pydantic type.",
        rich_help_panel=_REQUEST,
    ),
]
Proxy = Annotated[
    str | None,
    typer.Option("--proxy", metavar="URL", help="Proxy for all requests.", rich_help_panel=_REQUEST),
]
Ca = Annotated[
    str | None,
    typer.Option(
        "--ca",
        metavar="PATH",
        help="CA certificates to trust instead of the system's.",
        rich_help_panel=_REQUEST,
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        metavar=_FLAG,
        help="Don't verify certificates: others can then read and change the traffic.",
        rich_help_panel=_REQUEST,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency",
        "-c",
        metavar="N",
        callback=_at_least(1),
        help="Maximum number of requests in flight.",
        rich_help_panel=_SPEED,
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        "-r",
        metavar="RATE",
        help="Maximum request rate: 50 (a second), 100/m or 5000/h. Up to a second's worth is sent at once.",
        rich_help_panel=_SPEED,
    ),
]
Pace = Annotated[
    bool,
    typer.Option(
        "--pace/--no-pace",
        metavar=_FLAG,
        help="Pause the whole job when the server limits its rate, or with --no-pace only the rows it refuses.",
        rich_help_panel=_SPEED,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        callback=_at_least(0.001),
        help="Time limit of one attempt.",
        rich_help_panel=_SPEED,
    ),
]
Retry = Annotated[
    int,
    typer.Option(
        "--retry",
        metavar="N",
        callback=_at_least(1),
        help="Maximum number of attempts per row; 1 for no retries.",
        rich_help_panel=_FAILURES,
    ),
]
RetryBudget = Annotated[
    str | None,
    typer.Option(
        "--retry-budget",
        metavar="SHARE",
        help="Maximum share of retries: 0.5, 50%, or none for no limit. Rows beyond it are held back.",
        rich_help_panel=_FAILURES,
    ),
]
MaxWait = Annotated[
    float,
    typer.Option(
        "--max-wait",
        metavar="SECONDS",
        callback=_at_least(0.001),
        help="Stop if a server asks the job to wait longer.",
        rich_help_panel=_FAILURES,
    ),
]
MaxOutage = Annotated[
    float,
    typer.Option(
        "--max-outage",
        metavar="SECONDS",
        callback=_at_least(0.001),
        help="Stop if a host hasn't responded for so long; inf for never.",
        rich_help_panel=_FAILURES,
    ),
]
MaxErrors = Annotated[
    int | None,
    typer.Option(
        "--max-errors",
        metavar="N",
        callback=_at_least(1),
        help="Stop after N failed rows.",
        rich_help_panel=_FAILURES,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar=_FLAG,
        help="Check everything and show what would be sent; send nothing.",
        rich_help_panel=_DISPLAY,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="PATH", help="Write an HTML report with plots.", rich_help_panel=_DISPLAY),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", metavar=_FLAG, help="Print errors only.", rich_help_panel=_DISPLAY)
]

# Each paragraph is a line of its own; typer takes the indentation of lines away.
EPILOG = """Examples:

asyncapi fetch urls.txt -o users.jsonl

asyncapi fetch urls.txt -o users.jsonl --resume

asyncapi fetch --url 'https://host/items/{id}' --from ids.csv -o items.csv

asyncapi fetch urls.txt -o users.sqlite --rate 50 --auth-env API_TOKEN

asyncapi fetch urls.txt -o users.parquet --model app.models:User

make-urls | asyncapi fetch - -o - --quiet | jq .data
"""


def fetch(
    input: Input = None,  # noqa: A002 - the name users see
    url: Url = None,
    source: From = None,
    format: Format = None,  # noqa: A002 - the same
    base_url: BaseUrl = "",
    output: Output = "",
    resume: Resume = False,
    overwrite: Overwrite = False,
    ordered: Ordered = False,
    method: Method = "GET",
    header: Header = None,
    auth_env: AuthEnv = None,
    idempotency_key: Key = None,
    model: Model = None,
    proxy: Proxy = None,
    ca: Ca = None,
    insecure: Insecure = False,
    concurrency: Concurrency = 100,
    rate: Rate = None,
    pace: Pace = True,
    timeout: Timeout = 30,
    retry: Retry = 4,
    retry_budget: RetryBudget = None,
    max_wait: MaxWait = 86400,
    max_outage: MaxOutage = 60,
    max_errors: MaxErrors = None,
    dry_run: DryRun = False,
    report: Report = None,
    quiet: Quiet = False,
) -> None:
    """Send a request for each row of INPUT, and write each response to the output.

    Stop it at any time, even by a kill. The same command with --resume continues:
    no row is lost, and none is written twice.

    \b
    Exit codes:
      0    all rows are ok
      1    some rows failed, or the job stopped early
      2    wrong usage or input
      130  interrupted
    """  # noqa: D301 - the backspace is click's mark for lines that stay as they are
    from asyncapi.cli.running import run_job

    settings: dict[str, Any] = {
        "input": _one_input(input, source, url), "output": _output(output, dry_run=dry_run), "url": url,
        "format": _text(format), "base_url": base_url, "method": method, "headers": _headers(header or ()),
        "auth_env": auth_env, "idempotency_key": _text(idempotency_key), "model": model, "proxy": proxy,
        "tls": _tls(ca, insecure=insecure), "concurrency": concurrency, "rate": rate, "pace": pace, "retry": retry,
        "retry_budget": _share(retry_budget), "max_wait": max_wait, "max_outage": max_outage, "timeout": timeout,
        "max_errors": max_errors, "resume": resume, "overwrite": overwrite, "ordered": ordered, "report": report,
    }  # fmt: skip
    raise typer.Exit(run_job(settings, dry_run=dry_run, quiet=quiet))


def _text(choice: StrEnum | None) -> str | None:
    return None if choice is None else choice.value


def _share(text: str | None) -> float | str | None:
    if text is None or text == "none":
        return text
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 10:  # noqa: PLR2004 - as asyncapi.Budget
        raise typer.BadParameter(f"{text!r} is not a share: write 0.5, 50% or none", param_hint="--retry-budget")
    return share


def _one_input(path: Path | None, source: str | None, url: str | None) -> str:
    if (path is None) == (source is None):
        problem = "give INPUT or --from, not both" if path else "no input: name a file, or - for stdin"
        raise typer.BadParameter(problem, param_hint="INPUT")
    if source is not None and url is None:
        raise typer.BadParameter("--from needs a template: --url 'https://host/items/{id}'", param_hint="--from")
    return str(path) if path is not None else source or ""


def _output(output: str, *, dry_run: bool) -> str:
    if not output and not dry_run:
        raise typer.BadParameter("no output: name a file, such as -o users.jsonl, or - for stdout", param_hint="-o")
    return output or "-"


def _headers(lines: list[str] | tuple[()]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"write 'Name: value', not {name!r}", param_hint="-H")
        headers[name.strip()] = value.strip()
    return headers


def _tls(ca: str | None, *, insecure: bool) -> bool | str:
    if ca is not None and insecure:
        raise typer.BadParameter("--ca and --insecure contradict each other: give one of them", param_hint="--ca")
    return ca if ca is not None else not insecure
