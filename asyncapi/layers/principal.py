"""Tag each call with its principal, so that caches and shared flights never cross users.

The principal is the user that a call acts for, where one client may act for several:

    a credential that may change its user     the value of a function, file or variable; who is logged in
    cookies that are kept                     those that would be sent

Where a store is shared with other clients, a user that never changes is named, too, and with it what the client shows
to servers by itself, such as a certificate.

The layer is above the cache, single-flight and stale responses, which go by `call.principal`. The principal may change
between that and the attempt: the layer that stores a response asks again whether it has. It may even have changed and
changed back by then: `layers/auth.py` notes in `call.others` whom an attempt was sent for.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from asyncapi.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from yarl import URL

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send


class PrincipalSource:
    """The user that requests are for.

    Args:
        credential: The user of `auth=`: "" for its only one, None where nobody can tell.
        cookies: The cookies that a request to a URL would carry.
        shown: What every request shows by itself, as a hash; "" for nothing.
    """

    __slots__ = ("_cookies", "_credential", "_shown")

    def __init__(
        self,
        credential: Callable[[Request], Awaitable[str | None]] | None,
        cookies: Callable[[URL], str] | None,
        shown: str = "",
    ) -> None:
        self._shown = shown
        self._credential = credential
        self._cookies = cookies

    async def principal(self, request: Request) -> str | None:
        """Whose this request would be now; "" for nobody's in particular, None if nobody can tell.

        Raises:
            AuthError: The credential has no value.
        """
        user = "" if self._credential is None else await self._credential(request)
        if user is not None and self._shown:
            user = f"{self._shown} {user}"
        if user is None or self._cookies is None:
            return user
        cookies = self._cookies(request.url)
        return f"{user} {sha256(cookies.encode()).hexdigest()}" if cookies else user

    async def unchanged(self, request: Request) -> bool:
        """Whether it still is for the user that `call.principal` says, if that says one, and was for no other."""
        if request.call.others:
            return False
        try:
            return request.call.principal is not None and await self.principal(request) == request.call.principal
        except AuthError:
            return False


def principal(source: PrincipalSource) -> Layer:
    """Say it in `call.principal`.

    Raises (from the layer):
        AuthError: The credential has no value.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            request.call.principal, request.call.others = await source.principal(request), []
            return await inner(request)

        return send

    return layer
