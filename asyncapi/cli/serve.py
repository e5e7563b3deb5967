"""`asyncapi serve`: the options of the local server, which is `asyncapi.serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asyncapi.cli.options import option
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.serve import Faults, FaultServer

_BAD_USAGE = 2
_LISTEN, _FAULTS = "Server", "Faults"


Host = Annotated[str, option(_LISTEN, "--host", "ADDRESS", "Address to listen on.")]
Port = Annotated[int, option(_LISTEN, "--port", "PORT", "Port to listen on; 0 for any free one.")]
PortFile = Annotated[
    Path | None, option(_LISTEN, "--port-file", "PATH", "Write the port to this file once the server listens.")
]
Latency = Annotated[str, option(_FAULTS, "--latency", "MS", "Delay of every response: 20, or random in 10-50.")]
ErrorRate = Annotated[
    float, option(_FAULTS, "--error-rate", "SHARE", "Share of 500, 502 and 503 responses: 0.05 for 5%.")
]
ThrottleRate = Annotated[
    float, option(_FAULTS, "--throttle-rate", "SHARE", "Share of 429 responses, with Retry-After.")
]
RetryAfter = Annotated[int, option(_FAULTS, "--retry-after", "SECONDS", "The Retry-After of these 429s.")]
DropRate = Annotated[float, option(_FAULTS, "--drop-rate", "SHARE", "Share of requests whose connection is dropped.")]
SlowRate = Annotated[float, option(_FAULTS, "--slow-rate", "SHARE", "Share of slow responses.")]
Slow = Annotated[float, option(_FAULTS, "--slow", "SECONDS", "Extra delay of a slow response.")]
RateLimit = Annotated[
    str | None, option(_FAULTS, "--rate-limit", "RATE", "Respond 429 above this rate: 200 (a second), 100/m, 10/30s.")
]
Seed = Annotated[int, option(_FAULTS, "--seed", "N", "Seed of the faults: the same seed gives the same faults.")]
Log = Annotated[bool, option(_LISTEN, "--log", "", "Print a line per request.")]

EPILOG = """Examples:

asyncapi serve

asyncapi serve --latency 10-50 --error-rate 0.05 --drop-rate 0.01

asyncapi serve --rate-limit 100/m --log
"""


def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    port_file: PortFile = None,
    latency: Latency = "0",
    error_rate: ErrorRate = 0.0,
    throttle_rate: ThrottleRate = 0.0,
    retry_after: RetryAfter = 1,
    drop_rate: DropRate = 0.0,
    slow_rate: SlowRate = 0.0,
    slow: Slow = 2.0,
    rate_limit: RateLimit = None,
    seed: Seed = 0,
    log: Log = False,
) -> None:
    """Run a local API that fails on demand: 429s, 5xx, dropped connections, slow responses.

    GET / lists the endpoints. /items/7 responds with a row, or with one of the faults
    below; /items/7?fault=503 (or 429, drop, slow) asks for one. Ctrl-C stops it.
    """
    from asyncapi.serve.faults import Faults, Rate, parse_latency
    from asyncapi.serve.server import FaultServer, run
    from asyncapi.settings import RateLimit as Limit

    try:
        limit = None if rate_limit is None else Limit.of(rate_limit)
        faults = Faults(
            latency=parse_latency(latency),
            error_rate=error_rate,
            throttle_rate=throttle_rate,
            retry_after=retry_after,
            drop_rate=drop_rate,
            slow_rate=slow_rate,
            slow=slow,
            rate_limit=None if limit is None else Rate(limit.amount, limit.per),
            seed=seed,
        )
        server = FaultServer(faults, host=host, port=port, log=_line if log else None)
        run(server, started=lambda: _announce(server, faults), port_file=port_file)
    except ConfigError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_BAD_USAGE) from None


def _announce(server: FaultServer, faults: Faults) -> None:
    _line(f"serving {server.url}")
    words = faults.describe()
    _line(
        f"faults (seed {faults.seed}): {'; '.join(words)}" if words else "faults: none, unless a request asks for one"
    )


def _line(text: str) -> None:
    print(text, flush=True)
