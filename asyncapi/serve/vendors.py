"""APIs in the shape of well-known ones, for the how-to pages: a language model's, and a code host's.

Both refuse the first request that names something busy, as the real ones do now and then: so a sample shows how a limit
is met. A model whose name begins with "busy" responds with a 429, a repository so named with the 403 of a secondary
limit (docs.github.com, "Rate limits for the REST API").
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from yarl import URL

from asyncapi.serve.query import json_object, seconds_in, whole_in
from asyncapi.serve.replies import Refusal, Reply, json_reply, streamed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from aiohttp import web

    from asyncapi.serve.replies import Answer

    Headers = Iterable[tuple[str, str]]

_BUSY = "busy"
_MANY = 10_000  # names that are remembered
_EVENTS = "text/event-stream"
_MODEL_LIMITS = (
    ("x-ratelimit-limit-requests", "5000"),
    ("x-ratelimit-remaining-requests", "4999"),
    ("x-ratelimit-reset-requests", "12ms"),
    ("x-ratelimit-limit-tokens", "800000"),
    ("x-ratelimit-remaining-tokens", "799000"),
    ("x-ratelimit-reset-tokens", "75ms"),
)
_HOST_LIMITS = (
    ("X-RateLimit-Limit", "5000"),
    ("X-RateLimit-Remaining", "4990"),
    ("X-RateLimit-Used", "10"),
    ("X-RateLimit-Reset", "4102444800"),  # 2100-01-01
    ("X-RateLimit-Resource", "core"),
)
_ETAG = '"644b5b0155e6404a9cc4bd9d8b1ae730"'
_KEPT = (
    ("ETag", _ETAG),
    ("Cache-Control", "private, max-age=60, s-maxage=60"),
    ("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP"),
)
_ISSUES, _PER_PAGE, _LARGEST_PAGE = 8, 3, 100


class Completions:
    """`/chat/completions`: a chat with a language model, whole or as server-sent events.

    Args:
        otherwise: Handles the other paths below `/chat`.
    """

    def __init__(self, otherwise: Callable[[web.BaseRequest, str], Awaitable[Answer]] | None = None) -> None:
        self._busy = _Busy()
        self._otherwise = otherwise

    async def __call__(self, request: web.BaseRequest, rest: str) -> Answer:
        """The response to a POST."""
        if rest != "completions":
            if self._otherwise is None:
                raise Refusal(404, "POST to /chat/completions")
            return await self._otherwise(request, rest)
        asked = await json_object(request, "a chat completion")
        model, text = asked.get("model"), _last_content(asked)
        if not isinstance(model, str) or text is None:
            raise Refusal(400, 'send {"model": "small-1", "messages": [{"role": "user", "content": "some text"}]}')
        if self._busy.refuses(model):
            message = {"error": {"type": "rate_limit_error", "message": "Rate limit reached"}}
            return json_reply(message, HTTPStatus.TOO_MANY_REQUESTS, [*_MODEL_LIMITS, ("retry-after-ms", "50")])
        said = f"You said: {text}"
        if asked.get("stream"):
            return streamed(request, _EVENTS, _chunks(said, seconds_in(request.query, "pause", 0.02)))
        tokens = len(said.split())
        data = {
            "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens},
        }
        return json_reply(data, headers=_MODEL_LIMITS)


def _last_content(asked: Mapping[str, Any]) -> str | None:
    messages = asked.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    return content if isinstance(content, str) else None


def _chunks(text: str, pause: float) -> Iterator[tuple[float, bytes]]:
    for place, word in enumerate(text.split()):
        delta = {"content": f" {word}" if place else word}
        yield pause, b"data: %b\n\n" % to_json({"choices": [{"index": 0, "delta": delta}]})
    yield 0.0, b"data: [DONE]\n\n"


class Repositories:
    """`/repos/{owner}/{name}`: a repository with an ETag, and its issues in pages by `Link`."""

    def __init__(self) -> None:
        self._busy = _Busy()

    async def __call__(self, request: web.BaseRequest, rest: str) -> Reply:
        """The response to a GET or a POST."""
        owner, _, below = rest.partition("/")
        name, _, kind = below.partition("/")
        if not owner or not name or kind not in {"", "issues"}:
            raise Refusal(404, "give /repos/{owner}/{name}, or that with /issues")
        if request.method == "POST":
            if not kind:
                raise Refusal(405, "POST is for /repos/{owner}/{name}/issues")
            return await self._open_issue(request, name)
        return _issues(request) if kind else _repository(request, f"{owner}/{name}")

    async def _open_issue(self, request: web.BaseRequest, name: str) -> Reply:
        title = (await json_object(request, "an issue")).get("title")
        if not isinstance(title, str):
            raise Refusal(422, 'send {"title": "some text"}', _HOST_LIMITS)
        if self._busy.refuses(name):
            message = {"message": "You have exceeded a secondary rate limit."}
            return json_reply(message, HTTPStatus.FORBIDDEN, [*_HOST_LIMITS, ("Retry-After", "1")])
        return json_reply({**_issue(_ISSUES + 1), "title": title}, HTTPStatus.CREATED, _HOST_LIMITS)


def _repository(request: web.BaseRequest, name: str) -> Reply:
    headers = (*_HOST_LIMITS, *_KEPT)
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if _ETAG in known:
        return Reply(HTTPStatus.NOT_MODIFIED, headers)
    return json_reply({"id": 1, "full_name": name, "private": False}, headers=headers)


def _issues(request: web.BaseRequest) -> Reply:
    per_page = whole_in(request.query, "per_page", _PER_PAGE, 1, _LARGEST_PAGE)
    page = whole_in(request.query, "page", 1, 1, _MANY)
    end = page * per_page
    rows = [_issue(number) for number in range(end - per_page + 1, min(end, _ISSUES) + 1)]
    following = URL(f"{request.scheme}://{request.host}").join(request.rel_url).update_query(page=page + 1)
    link = [("Link", f'<{following}>; rel="next"')] if end < _ISSUES else []
    return json_reply(rows, headers=[*_HOST_LIMITS, *link])


def _issue(number: int) -> dict[str, Any]:
    return {"number": number, "title": f"issue {number}", "state": "open"}


class _Busy:
    """Which busy names have been refused once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def refuses(self, name: str) -> bool:
        """Whether this is the first request for a busy name."""
        if not name.startswith(_BUSY) or name in self._seen or len(self._seen) >= _MANY:
            return False
        self._seen.add(name)
        return True
