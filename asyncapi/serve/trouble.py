"""Endpoints that are faults themselves: statuses, flakiness, slowness, drops, redirects and rate limits."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from asyncapi.serve.bucket import Bucket
from asyncapi.serve.echo import echo
from asyncapi.serve.faults import Rate
from asyncapi.serve.query import header_value, seconds, seconds_in, whole, whole_in
from asyncapi.serve.replies import JSON, Answer, Refusal, Reply, Script, head, http_date, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp import web

_FEWEST, _MOST = 200, 999
_MANY_KEYS = 100_000
_DROP_BODY = b'{"dropped": false, "padding": "' + b"." * 967 + b'"}'


async def status(request: web.BaseRequest, rest: str) -> Reply:
    """`/status/{code}`, with Retry-After in the form that the query asks for."""
    code = whole(rest, "the status", _FEWEST, _MOST)
    return json_reply({"status": code}, code, _retry_after(request.query))


def _retry_after(query: Mapping[str, str]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    if "retry_after" in query:
        headers.append(("Retry-After", header_value(query["retry_after"], "retry_after")))
    if "retry_after_date" in query:
        headers += http_date(seconds(query["retry_after_date"], "retry_after_date"), time.time())
    if "retry_after_ms" in query:
        headers.append(("retry-after-ms", header_value(query["retry_after_ms"], "retry_after_ms")))
    return headers


class Flaky:
    """`/flaky/{key}`: fails the first `fail` requests of a key, then succeeds; counts them all."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    async def __call__(self, request: web.BaseRequest, rest: str) -> Reply:
        """The answer to the next request of this key."""
        query = request.query
        fail = whole_in(query, "fail", 1, 0, 1_000_000)
        code = whole_in(query, "status", 503, _FEWEST, _MOST)
        visit = self.seen.pop(rest, 0) + 1
        self.seen[rest] = visit
        if len(self.seen) > _MANY_KEYS:
            del self.seen[next(iter(self.seen))]
        data = {"key": rest, "visit": visit, "ok": visit > fail}
        return json_reply(data) if visit > fail else json_reply(data, code, _retry_after(query))


class Limits:
    """`/limited`: a token bucket for each combination of rate, per, burst and key."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[Rate, str], Bucket] = {}

    async def __call__(self, request: web.BaseRequest, _rest: str) -> Reply:
        """200 or 429, both with X-RateLimit-* headers."""
        query = request.query
        amount = whole_in(query, "rate", 10, 1, 1_000_000)
        per = seconds_in(query, "per", 1.0)
        if per == 0:
            raise Refusal(400, "per is more than 0 seconds")
        rate = Rate(amount, per, whole_in(query, "burst", amount, 1, 1_000_000))
        name = (rate, query.get("key", ""))
        bucket = self.buckets.get(name)
        if bucket is None:
            bucket = self.buckets[name] = Bucket(rate, time.monotonic())
            if len(self.buckets) > _MANY_KEYS:
                del self.buckets[next(iter(self.buckets))]
        return limited(bucket, rate) or json_reply({"ok": True}, headers=_limit_headers(bucket, rate))


def limited(bucket: Bucket, rate: Rate) -> Reply | None:
    """Takes a token; the 429 where there is none."""
    wait = bucket.take(time.monotonic())
    if not wait:
        return None
    headers = [("Retry-After", str(math.ceil(wait))), *_limit_headers(bucket, rate)]
    return json_reply({"error": f"over {rate.amount:g} requests per {rate.per:g} s", "wait": wait}, 429, headers)


def _limit_headers(bucket: Bucket, rate: Rate) -> list[tuple[str, str]]:
    return [
        ("X-RateLimit-Limit", f"{rate.amount:.0f}"),
        ("X-RateLimit-Remaining", str(int(bucket.level))),
        ("X-RateLimit-Reset", str(math.ceil(bucket.until_full))),
    ]


async def delay(_request: web.BaseRequest, rest: str) -> Reply:
    """`/delay/{seconds}`: silence, then an answer."""
    waited = seconds(rest, "the delay")
    await asyncio.sleep(waited)
    return json_reply({"delay": waited})


async def slow_headers(request: web.BaseRequest, _rest: str) -> Script:
    """`/slow-headers?seconds=`: the head comes a line at a time over that long."""
    total = seconds_in(request.query, "seconds", 2.0)
    body = b'{"slow": "headers"}'
    lines = head(200, [JSON, ("X-Padding", "1"), ("X-Padding", "2")], len(body)).splitlines(keepends=True)
    pause = total / (len(lines) - 1)
    return Script(200, [(pause if place else 0.0, line) for place, line in enumerate(lines)], [(0.0, body)])


async def slow_body(request: web.BaseRequest, _rest: str) -> Script:
    """`/slow-body?bytes=&chunk=&pause=`: the head at once, then a chunk after each pause."""
    query = request.query
    size = whole_in(query, "bytes", 1_000, 0, 100_000_000)
    chunk = whole_in(query, "chunk", 100, 1, 10_000_000)
    pause = seconds_in(query, "pause", 0.1)
    return Script(200, [(0.0, head(200, [("Content-Type", "text/plain")], size))], _trickle(size, chunk, pause))


def _trickle(size: int, chunk: int, pause: float) -> Iterator[tuple[float, bytes]]:
    for start in range(0, size, chunk):
        yield pause, b"." * min(chunk, size - start)


async def drop(request: web.BaseRequest, _rest: str) -> Script:
    """`/drop?at=connect|headers|body|N`: closes the connection there; `reset=1` sends a TCP RST instead of a FIN."""
    whole_answer = Reply(200, [JSON], _DROP_BODY)
    at = request.query.get("at", "connect")
    places = {"connect": 0, "headers": len(whole_answer.head), "body": len(whole_answer.head) + len(_DROP_BODY) // 2}
    end = (
        places[at] if at in places else whole(at, "at (if not connect, headers or body)", 0, len(whole_answer.wire) - 1)
    )
    reset = request.query.get("reset", "0") not in {"", "0"}
    return Script(0, [(0.0, whole_answer.wire[:end])], end="reset" if reset else "close")


async def redirect(request: web.BaseRequest, rest: str) -> Answer:
    """`/redirect/{n}`: n redirects, then what `/echo` says of the request that arrived."""
    left = whole(rest, "the number of redirects", 0, 1_000)
    if not left:
        return await echo(request, rest)
    query = f"?{request.query_string}" if request.query_string else ""
    return _redirection(f"/redirect/{left - 1}{query}", request.query)


async def redirect_to(request: web.BaseRequest, _rest: str) -> Reply:
    """`/redirect-to?url=&status=`."""
    if "url" not in request.query:
        raise Refusal(400, "say where to: /redirect-to?url=/items/7")
    return _redirection(header_value(request.query["url"], "url"), request.query)


def _redirection(url: str, query: Mapping[str, str]) -> Reply:
    code = whole_in(query, "status", 302, 300, 399)
    return Reply(code, [("Location", url)])
