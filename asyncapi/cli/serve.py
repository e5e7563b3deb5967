"""`asyncapi serve`: the options of the local server, which is `asyncapi.serve`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.serve import Faults, FaultServer

_BAD_USAGE = 2
_LISTEN, _FAULTS = "Server", "Faults"


EPILOG = """Examples:

asyncapi serve

asyncapi serve --latency 10-50 --error-rate 0.05 --drop-rate 0.01

asyncapi serve --rate-limit 100/m --log
"""


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.", rich_help_panel=_LISTEN)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port to listen on; 0 for any free one.", rich_help_panel=_LISTEN)
    ] = 8000,
    port_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Write the port to this file once the server listens.", rich_help_panel=_LISTEN
        ),
    ] = None,
    latency: Annotated[
        str,
        typer.Option(metavar="MS", help="Delay of every response: 20, or random in 10-50.", rich_help_panel=_FAULTS),
    ] = "0",
    error_rate: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="Share of 500, 502 and 503 responses: 0.05 for 5%.", rich_help_panel=_FAULTS
        ),
    ] = 0.0,
    throttle_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of 429 responses, with Retry-After.", rich_help_panel=_FAULTS)
    ] = 0.0,
    retry_after: Annotated[
        int, typer.Option(metavar="SECONDS", help="The Retry-After of these 429s.", rich_help_panel=_FAULTS)
    ] = 1,
    drop_rate: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of requests whose connection is dropped.", rich_help_panel=_FAULTS),
    ] = 0.0,
    slow_rate: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of slow responses.", rich_help_panel=_FAULTS)
    ] = 0.0,
    slow: Annotated[
        float, typer.Option(metavar="SECONDS", help="Extra delay of a slow response.", rich_help_panel=_FAULTS)
    ] = 2.0,
    rate_limit: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", help="Respond 429 above this rate: 200/s, 100/m, 10/30s.", rich_help_panel=_FAULTS
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="Seed of the faults: the same seed gives the same faults.", rich_help_panel=_FAULTS
        ),
    ] = 0,
    log: Annotated[
        bool, typer.Option("--log", metavar=" ", help="Print a line per request.", rich_help_panel=_LISTEN)
    ] = False,
) -> None:
    """Run a local API that fails on demand: 429s, 5xx, dropped connections, slow responses.

    GET / lists the endpoints. /items/7 responds with a row, or with one of the faults
    below; /items/7?fault=503 (or 429, drop, slow) asks for one. Ctrl-C stops it.
    """
    from asyncapi.serve.faults import Faults, parse_latency, parse_rate
    from asyncapi.serve.server import FaultServer, run

    try:
        faults = Faults(
            latency=parse_latency(latency),
            error_rate=error_rate,
            throttle_rate=throttle_rate,
            retry_after=retry_after,
            drop_rate=drop_rate,
            slow_rate=slow_rate,
            slow=slow,
            rate_limit=None if rate_limit is None else parse_rate(rate_limit),
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
