"""The options of `asyncapi fetch`, panel by panel. Names are those of `asyncapi.bulk.Job`, where it has them."""

from __future__ import annotations

from typing import Any

from asyncapi.cli.options import PATH, SWITCH, Kind, Opt, Table, choice, content, number, parts, whole

_INSTANT = 0.001  # seconds: the shortest time limit
_STATUSES = range(100, 600)


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
        return {name: _header_value(name, value) for name, value in lines.items()}
    found = {}
    for line in (lines,) if isinstance(lines, str) else lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"write 'Name: value', not {name!r}")
        found[name.strip()] = value.strip()
    return found


def _header_value(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - one kind for a bad value
            f"{name} = {value!r} is no header: write its value in quotes, or move an option above [headers]"
        )
    return value


def form(values: Any) -> str:
    """Read the parts of a body, each a text or @FILE, joined by & as curl does."""
    return "&".join(content(str(value)) for value in ((values,) if isinstance(values, str) else values))


def json_body(value: Any) -> Any:
    """Read a JSON body: text or @FILE; in a job file also a table or a list."""
    return content(value) if isinstance(value, str) else value


def carried(value: Any) -> str | tuple[str, ...]:
    """Read which columns to carry: all, none, or their names."""
    if isinstance(value, str) and value in {"all", "none"}:
        return value
    return tuple(str(part) for part in parts(value))


def extras(value: Any) -> tuple[str, ...]:
    """Read what else to keep of each response."""
    found = tuple(dict.fromkeys(str(part) for part in parts(value)))
    wrong = [part for part in found if part not in {"headers", "url", "bytes"}]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not one of 'headers', 'url', 'bytes'")
    return found


def statuses(value: Any) -> tuple[int, ...]:
    """Read statuses: 401,403."""
    return tuple(_status(part) for part in parts(value))


def causes(value: Any) -> tuple[int | str, ...]:
    """Read statuses and names of errors: 429,503,ConnectError."""
    return tuple(part if str(part).isidentifier() else _status(part) for part in parts(value))


def _status(part: str | int) -> int:
    number = int(part) if str(part).isascii() and str(part).isdigit() else 0
    if number not in _STATUSES:
        raise ValueError(f"{str(part)!r} is not a status: write numbers such as 401,403")
    return number


def paths(value: Any) -> tuple[str, ...]:
    """Read paths into JSON, each as it is: a key may hold a comma."""
    return (value,) if isinstance(value, str) else tuple(str(each) for each in value)


SECONDS = number(_INSTANT)
COUNT = whole(1)

TABLE: Table = {
    "Input": (
        Opt("url", "--url", "TEMPLATE", "URL template; each row of the input fills in its {columns}."),
        Opt("source", "--from", "PATH", "The same as INPUT, to read well after --url.", PATH),
        Opt(
            "format", "--format", "FORMAT", "Format of the input, if not by its file name: text, jsonl, csv, tsv.",
            choice("text", "jsonl", "csv", "tsv"),
        ),
        Opt("base_url", "--base-url", "URL", "Base URL for relative URLs in the input."),
        Opt("limit", "--limit", "N", "Read only the first N rows: to try a job.", COUNT),
        Opt(
            "job", "--job", "PATH",
            "Job file (TOML) with these options: long names without --, headers in [headers]. Options given here "
            "override it. INPUT may be a job file too.",
            PATH,
        ),
    ),
    "Requests": (
        Opt(
            "method", "--method -X", "METHOD",
            "HTTP method for rows that don't specify one.", default="GET, or POST with a body",
        ),
        Opt(
            "headers", "--header -H", "'NAME: VALUE'",
            "Header to send with every request; may be repeated, and hold {columns}.", Kind(headers, many=True),
        ),
        Opt(
            "json", "--json", "JSON", "JSON body; each row fills in its {columns}. @FILE reads it from a file.",
            Kind(json_body, at_file=True),
        ),
        Opt(
            "data", "--data -d", "TEXT",
            "Body, such as the form 'a={a}&b={b}'; each row fills in its {columns}. @FILE reads it from a file.",
            Kind(form, many=True, at_file=True),
        ),
        Opt(
            "idempotency_key", "--idempotency-key", "auto",
            "Send an idempotency key with each POST and PATCH; --resume keeps it.", choice("auto"),
        ),
        Opt("redirects", "--redirects", "N", "Maximum number of redirects to follow (10); 0 for none.", whole(0)),
        Opt("cache", "--cache", "", "Let identical GETs share a response, as far as its headers allow.", SWITCH),
        Opt(
            "cache_store", "--cache-store", "PATH",
            "SQLite file that keeps responses for later runs and other jobs; turns on --cache. At most 1 GiB, on a "
            "local disk.",
            PATH,
        ),
    ),
    "Output": (
        Opt("output", "--output -o", "PATH", "Output: .jsonl, .csv, .sqlite, .db or .parquet; - for stdout.", PATH),
        Opt("resume", "--resume", "", "Resume a job that was stopped, or start it if there is none.", SWITCH),
        Opt("overwrite", "--overwrite", "", "Replace the output if it exists.", SWITCH),
        Opt("ordered", "--ordered", "", "Write rows in the order of the input.", SWITCH),
        Opt("carry", "--carry", "COLUMNS", "Input columns to repeat in the output: all, none or a,b.", Kind(carried),
            "none"),
        Opt(
            "select", "--select", "PATH",
            "Part of the response to keep as a column, in place of data: data.items.name, or NAME=PATH. May be "
            "repeated.", Kind(paths, many=True),
        ),
        Opt(
            "extra", "--with", "LIST", "What else to keep of each response: headers,url,bytes.",
            Kind(extras, many=True, words=("headers", "url", "bytes")),
        ),
        Opt("model", "--model", "MODULE:NAME", "Validate every response with this pydantic type."),
        Opt("save_dir", "--save-dir", "FOLDER", "Save each response as a file in this folder.", PATH),
        Opt("durable", "--durable", "", "Sync to the disk, so that a power cut loses nothing either.", SWITCH),
    ),
    "Credentials and connections": (
        Opt("auth_env", "--auth-env", "VARIABLE", "Environment variable that holds a bearer token to send."),
        Opt("user", "--user -u", "NAME:PASSWORD", "User name and password to send (Basic)."),
        Opt(
            "api_key_env", "--api-key-env", "VARIABLE",
            "Environment variable that holds an API key to send as X-Api-Key, or as another header: "
            "Header-Name=VARIABLE.",
        ),
        Opt("cert", "--cert", "PATH", "Client certificate (PEM).", PATH),
        Opt("key", "--key", "PATH", "Private key of --cert, if it is in another file.", PATH),
        Opt("ca", "--ca", "PATH", "CA certificates to trust instead of the system's.", PATH),
        Opt(
            "insecure", "--insecure -k", "", "Don't verify certificates: others can then read and change the traffic.",
            SWITCH,
        ),
        Opt("proxy", "--proxy -x", "URL", "Proxy for all requests."),
        Opt("proxy_env", "--proxy-env", "", "Take proxies from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.", SWITCH),
        Opt(
            "transport", "--transport", "native|aiohttp", "What sends requests: connections of our own, or aiohttp.",
            choice("native", "aiohttp"), "native",
        ),
    ),
    "Speed": (
        Opt("concurrency", "--concurrency -c", "N", "Maximum number of requests in flight.", COUNT, "100"),
        Opt("per_host", "--per-host", "N", "Maximum number of requests in flight to one host.", COUNT),
        Opt(
            "adaptive", "--adaptive", "", "Learn how many requests each host can take at a time, up to --concurrency.",
            SWITCH,
        ),
        Opt(
            "rate", "--rate -r", "RATE",
            "Maximum request rate: 50 (a second), 100/m, 5000/h or 10000/d. Up to a second's worth is sent at once.",
        ),
        Opt("burst", "--burst", "N", "How many requests --rate may send at once.", number(1)),
        Opt(
            "tokens", "--tokens", "RATE",
            "A second limit, in tokens of an LLM API: 200000/m. --weight-from says how many a row takes.",
        ),
        Opt("weight_from", "--weight-from", "COLUMN", "Input column that holds the tokens of a row."),
        Opt(
            "pace", "--pace/--no-pace", "",
            "Pause the whole job when the server limits its rate, or with --no-pace only the rows it refuses.",
            SWITCH, "pace",
        ),
        Opt("timeout", "--timeout", "SECONDS", "Time limit of one attempt.", SECONDS, "30"),
    ),
    "Retries and failures": (
        Opt("retry", "--retry", "N", "Maximum number of attempts per row; 1 for no retries.", COUNT, "4"),
        Opt(
            "retry_policy", "--retry-policy", "POLICY",
            "Policy for retries: learned finds out which help, and after what wait. Up to 6 attempts by default.",
            choice("learned"),
        ),
        Opt(
            "retry_on", "--retry-on", "LIST", "What to retry, in place of the usual: 429,503,ConnectError.",
            Kind(causes, many=True),
        ),
        Opt(
            "retry_budget", "--retry-budget", "SHARE",
            "Maximum share of retries: 0.5, 50%, or none for no limit. Rows beyond it are held back.", Kind(share),
        ),
        Opt("max_wait", "--max-wait", "SECONDS", "Stop if a server asks the job to wait longer.", SECONDS, "86400"),
        Opt(
            "max_outage", "--max-outage", "SECONDS",
            "Stop if a host hasn't responded for so long; inf for never.", SECONDS, "60",
        ),
        Opt("max_errors", "--max-errors", "N", "Stop after N failed rows.", COUNT),
        Opt("fail_fast", "--fail-fast", "STATUSES", "Stop at the first response with one of these: 401,403.",
            Kind(statuses, many=True)),
        Opt("failed_to", "--failed-to", "PATH", "Write input rows that fail to this file, to be an input again.", PATH),
        Opt(
            "retry_failed", "--retry-failed", "",
            "Send the failed rows of a finished output once more, and replace them in place.", SWITCH,
        ),
        Opt(
            "include_unknown", "--include-unknown", "",
            "With --retry-failed, also requests that the server may have processed, which may do their work twice.",
            SWITCH,
        ),
    ),
    "Several machines": (
        Opt("on", "--on", "ENGINE", "Where to run: local:4, dask://HOST:8786 or ray://HOST:10001."),
        Opt("chunk", "--chunk", "N", "Rows that a worker of --on takes at a time.", COUNT, "10000"),
        Opt(
            "shared", "--shared", "URL",
            "Redis server that shares limits with other jobs: redis://HOST, or redis://HOST#NAME for limits of their "
            "own. env:VARIABLE reads the URL from a variable, on each machine.",
        ),
        Opt(
            "workers_hint", "--workers-hint", "N",
            "How many processes share --rate while the Redis server is away.", COUNT,
        ),
    ),
    "Display": (
        Opt("dry_run", "--dry-run", "", "Check everything and show what would be sent; send nothing.", SWITCH),
        Opt("report", "--report", "PATH", "Write an HTML report with plots.", PATH),
        Opt("summary", "--summary", "PATH", "Write the figures of the summary as JSON.", PATH),
        Opt("verbose", "--verbose -v", "", "Print a line per row that is retried, held back or failed.", SWITCH),
        Opt("quiet", "--quiet -q", "", "Print errors only.", SWITCH),
    ),
}  # fmt: skip
