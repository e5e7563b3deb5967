"""A web service that awaits an `asyncapi.Client` in its handlers.

    UPSTREAM=https://api.example.com uvicorn --app-dir examples/service app:app

- One client for the life of the service: the lifespan opens and closes it, all requests share its pool and limits.
- Each incoming request makes `TEAM_SIZE` calls at once. `/teams/3` wants them all; `/teams/3/partial` takes what
  comes, and says what is missing.
- Time comes with the incoming request: `X-Timeout: 1.5` (seconds) bounds every call made for it, queueing and
  retries included.
- Shutting down: uvicorn lets the running handlers finish, then the lifespan closes the client; a call that is still
  under way then ends at once with an error that says so, and nothing is left open.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from asyncapi import AsyncAPIError, Client, DeadlineExceeded, RateLimited, RequestTimeout, Retry, deadline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

TEAM_SIZE = 20
DEFAULT_SECONDS = 5.0
MOST_SECONDS = 30.0


class User(BaseModel):
    """A user, as the upstream API describes one."""

    id: int
    name: str


def open_client() -> Client:
    """The client the service uses in production."""
    return Client(os.environ["UPSTREAM"], retry=Retry(attempts=3), concurrency=200)


def seconds_for(request: Request) -> float:
    """How long the caller will wait, from `X-Timeout`, within what we allow anyone."""
    try:
        seconds = float(request.headers.get("X-Timeout", DEFAULT_SECONDS))
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "X-Timeout is a number of seconds") from None
    if not seconds > 0:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "X-Timeout is more than 0 seconds")
    return min(seconds, MOST_SECONDS)


def members_of(request: Request) -> list[str]:
    """The upstream URLs of a team's members."""
    first = request.path_params["team"] * TEAM_SIZE
    return [f"/users/{first + place}" for place in range(TEAM_SIZE)]


async def team(request: Request) -> Response:
    """All members, or the first error."""
    api: Client = request.state.api
    with deadline(seconds_for(request)):
        users = await api.gather(members_of(request), model=User)
    return JSONResponse({"members": [user.model_dump() for user in users]})


async def partial_team(request: Request) -> Response:
    """The members that could be had in time, and the URLs of the others."""
    api: Client = request.state.api
    members: list[dict[str, Any]] = []
    missing: list[str] = []
    with deadline(seconds_for(request)):
        async with api.map(members_of(request), model=User, ordered=True) as outcomes:
            async for outcome in outcomes:
                if outcome.value is not None:
                    members.append(outcome.value.model_dump())
                else:
                    missing.append(str(outcome.request))
    return JSONResponse({"members": members, "missing": missing})


async def health(request: Request) -> Response:
    """Alive, and how busy the client is."""
    stats = request.state.api.stats
    return JSONResponse({"in_flight": stats.in_flight, "calls": stats.calls})


async def upstream_failed(_: Request, error: Exception) -> Response:
    """Each failure of ours as the status that tells our caller what to do."""
    headers = {}
    if isinstance(error, RequestTimeout | DeadlineExceeded):
        status = HTTPStatus.GATEWAY_TIMEOUT
    elif isinstance(error, RateLimited):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers = {"Retry-After": str(round(error.retry_after or 1))}
    else:
        status = HTTPStatus.BAD_GATEWAY
    return JSONResponse({"error": str(error)}, status, headers)


def build(client: Callable[[], Client] = open_client) -> Starlette:
    """The service; tests pass a client of their own."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Client]]:
        async with client() as api:
            yield {"api": api}

    return Starlette(
        routes=[
            Route("/teams/{team:int}", team),
            Route("/teams/{team:int}/partial", partial_team),
            Route("/health", health),
        ],
        exception_handlers={AsyncAPIError: upstream_failed},
        lifespan=lifespan,
    )


app = build()
