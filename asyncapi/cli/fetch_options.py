"""The options of `asyncapi fetch`, panel by panel. Names are those of `asyncapi.bulk.Job`, where it has them."""

from __future__ import annotations

from typing import Any

from asyncapi.cli.options import PATH, SWITCH, Kind, Opt, Table, choice, number, whole

_INSTANT = 0.001  # seconds: the shortest time limit


def share(value: Any) -> float | str:
    """Read a share: 0.5, 50% or none."""
    if value == "none":
        return "none"
    text = str(value)
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if isinstance(value, bool) or not 0 <= found <= 10:  # noqa: PLR2004 - as asyncapi.Budget
        raise ValueError(f"{text!r} is not a share: write 0.5, 50% or none")
    return found


def headers(lines: Any) -> dict[str, str]:
    """Read headers: lines such as `Name: value`, or a table of names and values."""
    if isinstance(lines, dict):
        return {name: str(value) for name, value in lines.items()}
    found = {}
    for line in (lines,) if isinstance(lines, str) else lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"write 'Name: value', not {name!r}")
        found[name.strip()] = value.strip()
    return found


SECONDS = number(_INSTANT)

TABLE: Table = {
    "Input": (
        Opt("url", "--url", "TEMPLATE", "URL template; each row of the input fills in its {columns}."),
        Opt("source", "--from", "PATH", "The same as INPUT, to read well after --url.", PATH),
        Opt(
            "format", "--format", "FORMAT", "Format of the input, if not by its file name: text, jsonl, csv, tsv.",
            choice("text", "jsonl", "csv", "tsv"),
        ),
        Opt("base_url", "--base-url", "URL", "Base URL for relative URLs in the input."),
    ),
    "Output": (
        Opt("output", "--output -o", "PATH", "Output: .jsonl, .csv, .sqlite, .db or .parquet; - for stdout.", PATH),
        Opt("resume", "--resume", "", "Resume a job that was stopped, or start it if there is none.", SWITCH),
        Opt("overwrite", "--overwrite", "", "Replace the output if it exists.", SWITCH),
        Opt("ordered", "--ordered", "", "Write rows in the order of the input.", SWITCH),
    ),
    "Requests": (
        Opt("method", "--method -X", "METHOD", "HTTP method for rows that don't specify one.", default="GET"),
        Opt(
            "headers", "--header -H", "'NAME: VALUE'", "Header to send with every request; may be repeated.",
            Kind(headers, many=True),
        ),
        Opt("auth_env", "--auth-env", "VARIABLE", "Environment variable that holds a bearer token to send."),
        Opt(
            "idempotency_key", "--idempotency-key", "auto",
            "Send an idempotency key with each POST and PATCH; --resume keeps it.", choice("auto"),
        ),
        Opt("model", "--model", "MODULE:NAME", "Validate every response with this pydantic type."),
        Opt("proxy", "--proxy", "URL", "Proxy for all requests."),
        Opt(
            "transport", "--transport", "native|aiohttp", "What sends requests: connections of our own, or aiohttp.",
            choice("native", "aiohttp"), "native",
        ),
        Opt("ca", "--ca", "PATH", "CA certificates to trust instead of the system's.", PATH),
        Opt(
            "insecure", "--insecure", "", "Don't verify certificates: others can then read and change the traffic.",
            SWITCH,
        ),
    ),
    "Speed": (
        Opt("concurrency", "--concurrency -c", "N", "Maximum number of requests in flight.", whole(1), "100"),
        Opt(
            "rate", "--rate -r", "RATE",
            "Maximum request rate: 50 (a second), 100/m or 5000/h. Up to a second's worth is sent at once.",
        ),
        Opt(
            "pace", "--pace/--no-pace", "",
            "Pause the whole job when the server limits its rate, or with --no-pace only the rows it refuses.",
            SWITCH, "pace",
        ),
        Opt("timeout", "--timeout", "SECONDS", "Time limit of one attempt.", SECONDS, "30"),
    ),
    "Retries and failures": (
        Opt("retry", "--retry", "N", "Maximum number of attempts per row; 1 for no retries.", whole(1), "4"),
        Opt(
            "retry_budget", "--retry-budget", "SHARE",
            "Maximum share of retries: 0.5, 50%, or none for no limit. Rows beyond it are held back.", Kind(share),
        ),
        Opt("max_wait", "--max-wait", "SECONDS", "Stop if a server asks the job to wait longer.", SECONDS, "86400"),
        Opt(
            "max_outage", "--max-outage", "SECONDS",
            "Stop if a host hasn't responded for so long; inf for never.", SECONDS, "60",
        ),
        Opt("max_errors", "--max-errors", "N", "Stop after N failed rows.", whole(1)),
    ),
    "Display": (
        Opt("dry_run", "--dry-run", "", "Check everything and show what would be sent; send nothing.", SWITCH),
        Opt("report", "--report", "PATH", "Write an HTML report with plots.", PATH),
        Opt("quiet", "--quiet -q", "", "Print errors only.", SWITCH),
    ),
}  # fmt: skip
