"""Answer a server's digest challenges with a user and a password (RFC 7616).

The first request goes out without; its 401 brings the challenge, and the call is sent again at once. From then on every
request answers that challenge, with its own count, until the server sends another.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from asyncapi.credentials.base import NOTHING, Signature
from asyncapi.credentials.renamed import with_old_names
from asyncapi.credentials.sources import account_of, principal_of, sendable, source
from asyncapi.errors import AuthError, ConfigError
from asyncapi.sansio.auth.digest import Challenge, answer, read, read_nextnonce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.sources import PrincipalOf, Value
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.origin import Origin

_UNAUTHORIZED = 401
_MAX_ORIGINS = 1000  # whose challenges are remembered


class _Nonce:
    """A challenge, how often it was answered, and whether an answer was ever accepted."""

    __slots__ = ("challenge", "count", "worked")

    def __init__(self, challenge: Challenge) -> None:
        self.challenge = challenge
        self.count = 0
        self.worked = False


@with_old_names
class Digest:
    """A user and a password by the Digest scheme (RFC 7616): SHA-512-256, SHA-256 and MD5.

    Args:
        user: Text, `Env("NAME")`, `File("path")` or a function, which may be async.
        password: As for `user`.

    Raises:
        ConfigError: The user or password is empty, or has a control character.
    """

    max_resends = 2  # for the challenge, and once more if its nonce is stale by then

    def __init__(self, user: Value, password: Value) -> None:
        for value in (user, password):
            if isinstance(value, str) and not value.isprintable():
                raise ConfigError("Digest: a line break or control character in the user or password: remove it")
        self._user, self._password = source(user, "Digest's user"), source(password, "Digest's password")
        self.principal: PrincipalOf | None = principal_of(self._user, self._password)
        self.account: str | None = None
        if self.principal is None:
            self.account = account_of("Digest", self._user, self._password)
        self._nonces: dict[Origin, _Nonce] = {}

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:  # noqa: ARG002 - it needs none
        """Return the answer to the server's last challenge; nothing before the first."""
        nonce = self._nonces.get(request.target.origin)
        if nonce is None:
            return NOTHING
        user, password = self._user.now(), self._password.now()
        return None if user is None or password is None else _signed(nonce, user, password, request)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:  # noqa: ARG002 - it needs none
        """Fetch user and password, and return the answer to the server's last challenge."""
        nonce = self._nonces[request.target.origin]
        return _signed(nonce, await self._user.fetch(), await self._password.fetch(), request)

    def on_response(
        self,
        signature: Signature,
        response: Response,
        refused: Sequence[Signature],
        context: AuthContext,  # noqa: ARG002 - it needs none
    ) -> str:
        """Remember a challenge or the next nonce, and have the call sent again with an answer that may be accepted."""
        request = response.request
        if request is None or "Authorization" in request.headers:  # the call has a credential of its own
            return ""
        place, sent = request.target.origin, signature.source
        if response.status != _UNAUTHORIZED:
            self._learn(place, sent, response)
            return ""
        challenge = read(response.headers.getall("WWW-Authenticate", ()))
        if challenge is None:
            return ""
        # Else another call has brought a newer challenge meanwhile, and this call is sent again with that.
        if self._nonces.get(place) in {None, sent}:
            self._nonces.pop(place, None)
            self._nonces[place] = _Nonce(challenge)
            if len(self._nonces) > _MAX_ORIGINS:
                del self._nonces[next(iter(self._nonces))]
        if sent is None:
            return "401, a digest challenge"
        if any(each.source is not None for each in refused):
            return ""
        # RFC 7616 section 3.3: without `stale`, user or password are wrong; some servers leave it out.
        return "401, a new digest nonce" if challenge.stale or sent.worked else ""

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"Digest, password from {self._password!r}"

    def __repr__(self) -> str:
        return f"Digest({self._user!r}, {self._password!r})"

    def _learn(self, place: Origin, sent: _Nonce | None, response: Response) -> None:
        if sent is None:
            return
        sent.worked = True
        following = read_nextnonce(response.headers.get("Authentication-Info", ""))  # RFC 7616 section 3.5
        if following and self._nonces.get(place) is sent:
            self._nonces[place] = _Nonce(sent.challenge.with_nonce(following))


def _signed(nonce: _Nonce, user: str, password: str, request: Request) -> Signature:
    sendable(user, "Digest's user")
    sendable(password, "Digest's password")
    content = request.content
    body = b""
    if nonce.challenge.qop == "auth-int" and content is not None:
        if not isinstance(content, bytes):
            raise AuthError(
                "Digest: the server asks for a digest of the body (auth-int), and a stream has none: send bytes"
            )
        body = content
    nonce.count += 1  # RFC 7616 section 3.4: `nc` counts the requests with this nonce
    value = answer(
        nonce.challenge, user, password,
        method=request.method, uri=request.url.raw_path_qs, cnonce=secrets.token_hex(8), count=nonce.count, body=body,
    )  # fmt: skip
    return Signature(headers=(("Authorization", value),), secrets=(password,), source=nonce)
