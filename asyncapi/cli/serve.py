"""`asyncapi serve`: the options of the local server, which is `asyncapi.serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.cli.commands import Command
from asyncapi.cli.options import PATH, SWITCH, Opt, Table, number, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.serve import Faults, FaultServer

_ANY = number(float("-inf"))  # the server checks, and has better words
_ANY_WHOLE = whole(-sys.maxsize)

TABLE: Table = {
    "Server": (
        Opt("host", "--host", "ADDRESS", "Address to listen on.", default="127.0.0.1"),
        Opt("port", "--port", "PORT", "Port to listen on; 0 for any free one.", _ANY_WHOLE, "8000"),
        Opt("port_file", "--port-file", "PATH", "Write the port to this file once the server listens.", PATH),
        Opt("log", "--log", "", "Print a line per request.", SWITCH),
    ),
    "Faults": (
        Opt("latency", "--latency", "MS", "Delay of every response: 20, or random in 10-50.", default="0"),
        Opt("error_rate", "--error-rate", "SHARE", "Share of 500, 502 and 503 responses: 0.05 for 5%.", _ANY, "0"),
        Opt("throttle_rate", "--throttle-rate", "SHARE", "Share of 429 responses, with Retry-After.", _ANY, "0"),
        Opt("retry_after", "--retry-after", "SECONDS", "The Retry-After of these 429s.", _ANY_WHOLE, "1"),
        Opt("drop_rate", "--drop-rate", "SHARE", "Share of requests whose connection is dropped.", _ANY, "0"),
        Opt("slow_rate", "--slow-rate", "SHARE", "Share of slow responses.", _ANY, "0"),
        Opt("slow", "--slow", "SECONDS", "Extra delay of a slow response.", _ANY, "2"),
        Opt("rate_limit", "--rate-limit", "RATE", "Respond 429 above this rate: 200 (a second), 100/m, 10/30s."),
        Opt("seed", "--seed", "N", "Seed of the faults: the same seed gives the same faults.", _ANY_WHOLE, "0"),
    ),
}

HELP = """\
Run a local API that fails on demand: 429s, 5xx, dropped connections, slow
responses.

GET / lists the endpoints. /items/7 responds with a row, or with one of the
faults below; /items/7?fault=503 (or 429, drop, slow) asks for one. Ctrl-C
stops it."""

EXAMPLES = """\
Examples:
  asyncapi serve
  asyncapi serve --latency 10-50 --error-rate 0.05 --drop-rate 0.01
  asyncapi serve --rate-limit 100/m --log"""


def serve(given: Mapping[str, Any]) -> None:
    """Run the server with the options that are given."""
    from asyncapi.serve.faults import Faults, Rate, parse_latency
    from asyncapi.serve.server import FaultServer, run
    from asyncapi.settings import RateLimit

    listen = {row.name for row in TABLE["Server"]}
    faults = {name: value for name, value in given.items() if value is not None and name not in listen}
    if "latency" in faults:
        faults["latency"] = parse_latency(faults["latency"])
    if "rate_limit" in faults:
        limit = RateLimit.of(faults["rate_limit"])
        faults["rate_limit"] = Rate(limit.amount, limit.per)
    made = Faults(**faults)
    host, port = given["host"] or "127.0.0.1", 8000 if given["port"] is None else given["port"]
    server = FaultServer(made, host=host, port=port, log=_line if given["log"] else None)
    run(server, started=lambda: _announce(server, made), port_file=given["port_file"] and Path(given["port_file"]))


def _announce(server: FaultServer, faults: Faults) -> None:
    _line(f"serving {server.url}")
    words = faults.describe()
    _line(
        f"faults (seed {faults.seed}): {'; '.join(words)}" if words else "faults: none, unless a request asks for one"
    )


def _line(text: str) -> None:
    print(text, flush=True)


command: Command = Command(
    "serve", serve, TABLE, help=HELP, short="Run a local API that fails on demand.", epilog=EXAMPLES
)
