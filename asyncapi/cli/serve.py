"""`asyncapi serve`: options in, one line with the URL out; the server itself is `asyncapi.serve`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.serve import Faults, FaultServer

_BAD_USAGE = 2


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8000,
    port_file: Annotated[Path | None, typer.Option(help="Write the port to this file once it listens.")] = None,
    latency: Annotated[str, typer.Option(metavar="MS", help="Wait before every answer: 20, or a range: 10-50.")] = "0",
    error_rate: Annotated[float, typer.Option(help="Share of answers that are 500, 502 or 503: 0.05 is 5 %.")] = 0.0,
    throttle_rate: Annotated[float, typer.Option(help="Share of answers that are 429 with a Retry-After.")] = 0.0,
    retry_after: Annotated[int, typer.Option(help="Seconds that such a Retry-After asks for.")] = 1,
    drop_rate: Annotated[float, typer.Option(help="Share of requests whose connection is cut.")] = 0.0,
    slow_rate: Annotated[float, typer.Option(help="Share of answers that are slow.")] = 0.0,
    slow: Annotated[float, typer.Option(help="Seconds that a slow answer takes longer.")] = 2.0,
    rate_limit: Annotated[
        str | None, typer.Option(metavar="N/s", help="Answer 429 above this rate: 200/s, 100/m, 10/30s.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same faults.")] = 0,
    log: Annotated[bool, typer.Option("--log", help="Print a line per request.")] = False,
) -> None:
    """Run a local API that fails on demand: 429s, 5xx, drops, slow answers, pages, tokens.

    GET / lists the endpoints. /items/7 is a row with those faults mixed in;
    /items/7?fault=503 (or 429, drop, slow) asks for one. Ctrl-C stops the server.

    \b
    For example:
      asyncapi serve --latency 10-50 --error-rate 0.05 --drop-rate 0.01
    """  # noqa: D301 - click's mark for text that is not to be wrapped
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
