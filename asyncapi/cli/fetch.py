"""`asyncapi fetch`: the options of a bulk job, turned into an `asyncapi.bulk.Job`."""
# ruff: noqa: PLR0917 - each is an option by name

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from asyncapi.cli.options import option

_INPUT, _OUTPUT, _REQUEST = "Input", "Output", "Requests"
_SPEED, _FAILURES, _DISPLAY = "Speed", "Retries and failures", "Display"


class _Format(StrEnum):
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


class _Key(StrEnum):
    auto = "auto"


class _Transport(StrEnum):
    native = "native"
    aiohttp = "aiohttp"


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
    str | None, option(_INPUT, "--url", "TEMPLATE", "URL template; each row of the input fills in its {columns}.")
]
From = Annotated[str | None, option(_INPUT, "--from", "PATH", "The same as INPUT, to read well after --url.")]
Format = Annotated[
    _Format | None,
    option(_INPUT, "--format", "FORMAT", "Format of the input, if not by its file name: text, jsonl, csv, tsv."),
]
BaseUrl = Annotated[str, option(_INPUT, "--base-url", "URL", "Base URL for relative URLs in the input.")]
Output = Annotated[
    str, option(_OUTPUT, "--output -o", "PATH", "Output file: .jsonl, .csv, .sqlite, .db or .parquet; - for stdout.")
]
Resume = Annotated[
    bool, option(_OUTPUT, "--resume", "", "Resume a job that was stopped, or start it if there is none.")
]
Overwrite = Annotated[bool, option(_OUTPUT, "--overwrite", "", "Replace the output if it exists.")]
Ordered = Annotated[bool, option(_OUTPUT, "--ordered", "", "Write rows in the order of the input.")]
Method = Annotated[str, option(_REQUEST, "--method -X", "METHOD", "HTTP method for rows that don't specify one.")]
Header = Annotated[
    list[str] | None,
    option(_REQUEST, "--header -H", "'NAME: VALUE'", "Header to send with every request; may be repeated."),
]
AuthEnv = Annotated[
    str | None, option(_REQUEST, "--auth-env", "VARIABLE", "Environment variable that holds a bearer token to send.")
]
Key = Annotated[
    _Key | None,
    option(
        _REQUEST, "--idempotency-key", "auto", "Send an idempotency key with each POST and PATCH; --resume keeps it."
    ),
]
Model = Annotated[
    str | None, option(_REQUEST, "--model", "MODULE:NAME", "Validate every response with this pydantic type.")
]
Proxy = Annotated[str | None, option(_REQUEST, "--proxy", "URL", "Proxy for all requests.")]
Transport = Annotated[
    _Transport,
    option(_REQUEST, "--transport", "native|aiohttp", "What sends the requests: connections of our own, or aiohttp."),
]
Ca = Annotated[str | None, option(_REQUEST, "--ca", "PATH", "CA certificates to trust instead of the system's.")]
Insecure = Annotated[
    bool, option(_REQUEST, "--insecure", "", "Don't verify certificates: others can then read and change the traffic.")
]
Concurrency = Annotated[
    int, option(_SPEED, "--concurrency -c", "N", "Maximum number of requests in flight.", _at_least(1))
]
Rate = Annotated[
    str | None,
    option(
        _SPEED,
        "--rate -r",
        "RATE",
        "Maximum request rate: 50 (a second), 100/m or 5000/h. Up to a second's worth is sent at once.",
    ),
]
Pace = Annotated[
    bool,
    option(
        _SPEED,
        "--pace/--no-pace",
        "",
        "Pause the whole job when the server limits its rate, or with --no-pace only the rows it refuses.",
    ),
]
Timeout = Annotated[float, option(_SPEED, "--timeout", "SECONDS", "Time limit of one attempt.", _at_least(0.001))]
Retry = Annotated[
    int, option(_FAILURES, "--retry", "N", "Maximum number of attempts per row; 1 for no retries.", _at_least(1))
]
RetryBudget = Annotated[
    str | None,
    option(
        _FAILURES,
        "--retry-budget",
        "SHARE",
        "Maximum share of retries: 0.5, 50%, or none for no limit. Rows beyond it are held back.",
    ),
]
MaxWait = Annotated[
    float, option(_FAILURES, "--max-wait", "SECONDS", "Stop if a server asks the job to wait longer.", _at_least(0.001))
]
MaxOutage = Annotated[
    float,
    option(
        _FAILURES,
        "--max-outage",
        "SECONDS",
        "Stop if a host hasn't responded for so long; inf for never.",
        _at_least(0.001),
    ),
]
MaxErrors = Annotated[int | None, option(_FAILURES, "--max-errors", "N", "Stop after N failed rows.", _at_least(1))]
DryRun = Annotated[
    bool, option(_DISPLAY, "--dry-run", "", "Check everything and show what would be sent; send nothing.")
]
Report = Annotated[Path | None, option(_DISPLAY, "--report", "PATH", "Write an HTML report with plots.")]
Quiet = Annotated[bool, option(_DISPLAY, "--quiet -q", "", "Print errors only.")]

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
    input: Input = None,  # noqa: A002 - the name that users see
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
    transport: Transport = _Transport.native,
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
        "transport": transport.value,
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
