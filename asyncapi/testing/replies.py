"""Make responses for handlers of `MockTransport`, and use aioresponses with this SDK."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ConfigError
from asyncapi.messages.open_body import NO_TRAILERS
from asyncapi.messages.response import Response
from asyncapi.transports.mock import body_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping


def reply(
    status: int = 200,
    *,
    json: Any = None,
    content: bytes | AsyncIterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    trailers: Mapping[str, str] | None = None,
) -> Response:
    """Make a response for a `MockTransport` handler to return.

    Args:
        status: HTTP status code.
        json: Plain data or a pydantic model; sets the body and its Content-Type.
        content: The raw body, where `json` is None; or an async iterable of its pieces, such as a call of an async
            generator, which may sleep between them. What it raises breaks the body off. It serves one request only.
        headers: Response headers.
        trailers: Trailer fields, which a streamed response has from the end of its body on.
    """
    fields = CIMultiDict(headers or {})
    if json is not None:
        from pydantic_core import to_json  # noqa: PLC0415 - it takes long

        content = to_json(json)
        if "Content-Type" not in fields:
            fields["Content-Type"] = "application/json"
    if isinstance(content, bytes):
        return Response(status, fields, content, trailers=trailers)
    response = Response(status, fields, trailers=trailers)
    response.open_body, response.trailers = body_of(content, response.trailers), NO_TRAILERS
    return response


@contextmanager
def mocked_aiohttp(**settings: Any) -> Iterator[Any]:
    """Run `aioresponses` with every aiohttp that this SDK supports.

        @pytest.fixture
        def web():
            with mocked_aiohttp() as web:
                yield web

        async def test_it(web):
            web.get("https://api.example.com/users/1", payload={"id": 1})
            async with Client("https://api.example.com") as api: ...

    aioresponses patches `ClientSession._request`, which the default transport goes through. Up to its 0.7.9 it builds
    responses without the `stream_writer` that aiohttp >= 3.14 needs, so they get one here. It can't show timeouts,
    pools or real bytes: test those against a real local server.

    Args:
        settings: Passed on to `aioresponses`.

    Raises:
        ConfigError: aioresponses is not installed.
    """
    try:
        core: Any = import_module("aioresponses.core")
    except ImportError as error:
        raise ConfigError("mocked_aiohttp needs aioresponses: pip install aioresponses") from error
    original = core.ClientResponse
    if "stream_writer" in inspect.signature(original.__init__).parameters:
        core.ClientResponse = partial(original, stream_writer=_NoStream())
    try:
        with core.aioresponses(**settings) as mocked:
            yield mocked
    finally:
        core.ClientResponse = original


class _NoStream:
    """The writer of a request that was never sent."""

    output_size = 0
