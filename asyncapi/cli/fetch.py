"""`asyncapi fetch`: the options of a bulk job, and their way into `asyncapi.bulk.Job`."""
# ruff: noqa: PLR0917 - each is an option by name

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_INPUT, _SENT, _LIMITS, _RUN, _SHOWN = "Input", "What is sent", "Limits", "Output and resume", "What is shown"


class _Format(StrEnum):
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


class _Key(StrEnum):
    auto = "auto"


Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="File of URLs (text), requests (JSONL) or columns (CSV); - for stdin.")
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="By its ending: .jsonl .csv .sqlite .parquet; - for stdout.",
        rich_help_panel=_RUN,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="TEMPLATE", help="URL with {columns}, filled from INPUT or --from.", rich_help_panel=_INPUT
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="FILE", help="Where the columns are: another way to give INPUT.", rich_help_panel=_INPUT
    ),
]
Format = Annotated[
    _Format | None,
    typer.Option(
        "--format",
        help="How to read INPUT, if its ending doesn't say.",
        rich_help_panel=_INPUT,
    ),
]
BaseUrl = Annotated[
    str, typer.Option("--base-url", metavar="URL", help="What relative URLs are joined to.", rich_help_panel=_INPUT)
]
Method = Annotated[
    str, typer.Option("--method", "-X", help="HTTP method of rows that name none.", rich_help_panel=_SENT)
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        metavar="'NAME: VALUE'",
        help="Sent with every request; may be repeated.",
        rich_help_panel=_SENT,
    ),
]
AuthEnv = Annotated[
    str | None,
    typer.Option(
        "--auth-env", metavar="NAME", help="Environment variable that holds a bearer token.", rich_help_panel=_SENT
    ),
]
Key = Annotated[
    _Key | None,
    typer.Option(
        "--idempotency-key",
        help="auto: every POST and PATCH gets a key, the same after a resume.",
        rich_help_panel=_SENT,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="PKG.MOD:NAME", help="pydantic type that every answer must fit.", rich_help_panel=_SENT
    ),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", "-c", min=1, help="Requests at a time.", rich_help_panel=_LIMITS)
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate",
        "-r",
        metavar="N[/s|/m|/h]",
        help="Most requests a second, minute or hour: 50, 100/m, 5000/h; a second's worth may go at once.",
        rich_help_panel=_LIMITS,
    ),
]
Pace = Annotated[
    bool,
    typer.Option(
        "--pace/--no-pace",
        help="Go as fast as the server tells: a shared limit pauses the job. --no-pace: each row for itself.",
        rich_help_panel=_LIMITS,
    ),
]
Retry = Annotated[
    int, typer.Option("--retry", min=1, help="Attempts per row in all; 1 for no retries.", rich_help_panel=_LIMITS)
]
RetryBudget = Annotated[
    str | None,
    typer.Option(
        "--retry-budget",
        metavar="SHARE|none",
        help="Retries at once, as a share of the rows: 0.5, 50%; none for no bound. Others wait for their turn.",
        rich_help_panel=_LIMITS,
    ),
]
MaxWait = Annotated[
    float,
    typer.Option(
        "--max-wait",
        min=0.001,
        metavar="SECONDS",
        help="Stop, to be resumed, if a server asks for a longer wait; a day by default.",
        rich_help_panel=_LIMITS,
    ),
]
MaxOutage = Annotated[
    float,
    typer.Option(
        "--max-outage",
        min=0.001,
        metavar="SECONDS",
        help="Stop, to be resumed, once a host has answered nothing for so long; inf for never.",
        rich_help_panel=_LIMITS,
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Time one attempt may take.", rich_help_panel=_LIMITS),
]
MaxErrors = Annotated[
    int | None,
    typer.Option("--max-errors", min=1, metavar="N", help="Stop once N rows have failed.", rich_help_panel=_LIMITS),
]
Proxy = Annotated[
    str | None, typer.Option("--proxy", metavar="URL", help="Proxy for every request.", rich_help_panel=_SENT)
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Accept any certificate: anyone on the way can read along.", rich_help_panel=_SENT),
]
Ca = Annotated[
    str | None,
    typer.Option(
        "--ca", metavar="FILE", help="Certificate authorities to trust instead of the system's.", rich_help_panel=_SENT
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with a job that was stopped; begin if there is none.", rich_help_panel=_RUN),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.", rich_help_panel=_RUN)]
Ordered = Annotated[bool, typer.Option("--ordered", help="Rows leave in the order of the input.", rich_help_panel=_RUN)]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check everything, show what would be sent, send nothing.", rich_help_panel=_SHOWN),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel=_SHOWN)]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Write a report with plots.", rich_help_panel=_SHOWN),
]


def fetch(
    input: Input = "",  # noqa: A002 - the name users see
    output: Output = "",
    url: Url = None,
    source: From = None,
    format: Format = None,  # noqa: A002 - the same
    base_url: BaseUrl = "",
    method: Method = "GET",
    header: Header = None,
    auth_env: AuthEnv = None,
    idempotency_key: Key = None,
    model: Model = None,
    proxy: Proxy = None,
    insecure: Insecure = False,
    ca: Ca = None,
    concurrency: Concurrency = 100,
    rate: Rate = None,
    pace: Pace = True,
    retry: Retry = 4,
    retry_budget: RetryBudget = None,
    max_wait: MaxWait = 86400.0,
    max_outage: MaxOutage = 60.0,
    timeout: Timeout = 30.0,
    max_errors: MaxErrors = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    ordered: Ordered = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    report: Report = None,
) -> None:
    """Fetch every row of INPUT and write one row each to OUT.

    Kill it at any point and run the same command with --resume: no row is lost, none is there twice.

    \b
    For example:
      asyncapi fetch urls.txt -o answers.jsonl
      asyncapi fetch --url 'https://h/items/{id}' --from ids.csv -o items.csv
      asyncapi fetch urls.txt -o out.sqlite --rate 50 --auth-env API_TOKEN
      asyncapi fetch urls.txt -o out.parquet --model app.models:User --resume
      make-urls | asyncapi fetch - -o - --quiet | jq .data

    Exit codes: 0 all rows are ok, 1 some failed, 2 wrong usage or input, 130 interrupted.
    """  # noqa: D301 - the backspace is click's mark for lines that are kept as they are
    from asyncapi.cli.running import carry_out

    settings: dict[str, Any] = {
        "input": _one_input(input, source, url), "output": _output(output, dry_run=dry_run), "url": url,
        "format": _text(format), "base_url": base_url, "method": method, "headers": _headers(header or ()),
        "auth_env": auth_env, "idempotency_key": _text(idempotency_key), "model": model, "proxy": proxy,
        "tls": _tls(ca, insecure=insecure), "concurrency": concurrency, "rate": rate, "pace": pace, "retry": retry,
        "retry_budget": _share(retry_budget), "max_wait": max_wait, "max_outage": max_outage, "timeout": timeout,
        "max_errors": max_errors, "resume": resume, "overwrite": overwrite, "ordered": ordered, "report": report,
    }  # fmt: skip
    raise typer.Exit(carry_out(settings, dry_run=dry_run, quiet=quiet))


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
        raise typer.BadParameter(
            f"write a share such as 0.5 or 50%, or none, not {text!r}", param_hint="--retry-budget"
        )
    return share


def _one_input(given: str, source: str | None, url: str | None) -> str:
    if bool(given) == (source is not None):
        what = "give INPUT or --from, not both" if given else "no input: name a file, or - for stdin"
        raise typer.BadParameter(what, param_hint="INPUT")
    if source is not None and url is None:
        raise typer.BadParameter("--from needs a template: --url 'https://host/items/{id}'", param_hint="--from")
    return given or source or ""


def _output(output: str, *, dry_run: bool) -> str:
    if not output and not dry_run:
        raise typer.BadParameter("no output: name a file, such as -o answers.jsonl, or - for stdout", param_hint="-o")
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
        raise typer.BadParameter("--ca says whom to trust, --insecure trusts anyone: choose one", param_hint="--ca")
    return ca if ca is not None else not insecure
