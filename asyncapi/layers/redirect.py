"""Follow redirects: each hop is an attempt of its own below, so that breaker, rate and credentials go by its host.

303, and 301/302 after POST   becomes a GET without a body (RFC 9110 section 15.4)
301 302 307 308 otherwise     the same method, and the body from its beginning
the same origin               keeps the URL's user-info
another origin                loses every credential: headers that carry secrets, and URL user-info
https to http                 refused

A Location is resolved by RFC 3986 section 5.2 and sent as the server wrote it; only characters that a URL may not hold
are percent-encoded, byte for byte (`asyncapi/messages/uri.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import final_error
from asyncapi.messages import uri
from asyncapi.redact import redact_broken, redact_url
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.sansio.http.origin import bound, origin

if TYPE_CHECKING:
    from yarl import URL

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirect(most: int) -> Layer:
    """Follow at most `most` redirects, or as many as the request says itself.

    Raises (from the layer):
        ProtocolError: Too many, to an unusable place, from https to http, or with a body that can't be resent.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            response = await inner(request)
            if response.status not in _REDIRECTS:
                return response
            limit = most if request.redirects is None else request.redirects
            if not limit:
                return response
            for _ in range(limit):
                if "Location" not in response.headers:
                    return response
                if response.placed is not None:  # it is relative to the endpoint that sent it, and leads there
                    request = request.copy(target=response.target)
                request = follow(request, response)
                request.call.why = f"redirect: {response.status} from {redact_url(response.target)}"
                response = await inner(request)
                if response.status not in _REDIRECTS:
                    return response
            last = redact_broken(response.headers.get("Location", "nowhere"))
            raise final_error(f"more than {limit} redirects, the last to {last!r}", request)

        return send

    return layer


def follow(request: Request, response: Response) -> Request:
    """Make the request that a redirect asks for."""
    target = _target(request, response)
    # RFC 9110 section 15.4: headers with secrets are not for another origin
    headers = request.headers
    if origin(target) != request.target.origin:
        headers = CIMultiDict((name, value) for name, value in headers.items() if not bound(name))
    # RFC 9110 sections 15.4.8 and 15.4.9: 307 and 308 keep the method; 301 and 302 keep all but POST
    if response.status in {307, 308} or (response.status != 303 and request.method != "POST"):  # noqa: PLR2004
        if not rewindable(request):
            raise final_error(
                f"{response.status} asks for the body again, but it is a stream that can't be rewound", request
            )
        return request.copy(url=target, headers=headers)
    # section 15.4.4: 303 leads to a GET, or a HEAD; headers about the body go with the body
    method = "HEAD" if request.method == "HEAD" else "GET"
    bare = CIMultiDict((name, value) for name, value in headers.items() if not name.lower().startswith("content-"))
    return request.copy(method=method, url=target, headers=bare, content=None, json=None, data=None, files=None)


def _target(request: Request, response: Response) -> URL:
    here, location = request.url, response.headers["Location"]
    shown = redact_broken(location)
    try:
        target = uri.join(here, location)
        target.origin()
    except ValueError:
        raise final_error(f"redirected to {shown!r}, which is not a usable URL", request) from None
    if request.call.upgrade is not None and target.scheme in {"ws", "wss"}:  # RFC 6455 section 3
        target = target.with_scheme("https" if target.scheme == "wss" else "http")
    if target.scheme not in {"http", "https"}:
        raise final_error(f"redirected to {shown!r}: only http and https are followed", request)
    if here.scheme == "https" and target.scheme == "http":
        raise final_error(f"redirected from https to {shown!r}: refused, because it would be sent unencrypted", request)
    if origin(target) == origin(here):
        if "Authorization" in request.headers:  # it goes on; a request has one of the two
            target = target.with_user(None)
        elif target.raw_user is None and here.raw_user is not None:
            target = uri.with_user_info(target, here)
    if here.raw_fragment and "#" not in location:  # RFC 9110 section 10.2.2
        target = uri.parse(f"{target}#{here.raw_fragment}")
    return target
