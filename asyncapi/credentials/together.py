"""Send several credentials with each attempt, for an API that needs them together: an application's key and a token."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from asyncapi.credentials.base import Signature
from asyncapi.credentials.key_pool import KeyPool
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.credentials.base import AuthContext, Credential
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response


class Together:
    """Several credentials that an API needs together.

        Together(ApiKey(Env("APP"), header="X-App-Id"), Bearer(Env("TOKEN")))

    Each writes its own part of the request. After a response each looks at it, and the call is sent again if one of
    them has something new to try.

    Args:
        *credentials: Two or more.

    Raises:
        ConfigError: Fewer than two, or one that is no credential.
    """

    __slots__ = ("_all", "max_resends", "principal")

    def __init__(self, *credentials: Credential) -> None:
        if len(credentials) < 2:  # noqa: PLR2004
            raise ConfigError(f"Together: give two credentials or more, not {len(credentials)}")
        for each in credentials:
            if isinstance(each, KeyPool):  # whose keys would be counted while another credential is waited for
                raise ConfigError("Together: no KeyPool goes in; give KeyPool([Together(...), Together(...)])")
            if not callable(getattr(each, "cached_signature", None)):
                raise ConfigError(f"Together: {each!r:.80} is not a credential: give Bearer(...), ApiKey(...)")
        self._all = credentials
        self.max_resends: int = max(each.max_resends for each in credentials)
        if all(hasattr(each, "principal") for each in credentials):  # else it is not known, and the attribute missing
            users = [each.principal for each in credentials if each.principal is not None]  # type: ignore[attr-defined]
            self.principal: Callable[[], Any] | None = _joined(users) if users else None

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature of all, or None if one has to be waited for."""
        found = [each.cached_signature(request, context) for each in self._all]
        ready = [one for one in found if one is not None]
        return _merged(ready) if len(ready) == len(found) else None

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait for those signatures that are not at hand."""
        found = []
        for each in self._all:
            made = each.cached_signature(request, context)
            found.append(await each.fetch_signature(request, context) if made is None else made)
        return _merged(found)

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """Have every credential look at the response; the first that has something new to try says why."""
        reasons = [
            each.on_response(signature.source[at], response, [earlier.source[at] for earlier in refused], context)
            for at, each in enumerate(self._all)
        ]
        return next((reason for reason in reasons if reason), "")

    def describe(self) -> str:
        """Describe all of them in one line, without a secret."""
        return " and ".join(each.describe() for each in self._all)


def _merged(found: Sequence[Signature]) -> Signature:
    signs = [one.sign for one in found if one.sign is not None]

    def sign(request: Request, now: float) -> Request:
        return reduce(lambda signed, each: each(signed, now), signs, request)

    return Signature(
        headers=tuple(pair for one in found for pair in one.headers),
        params=tuple(pair for one in found for pair in one.params),
        cookies=tuple(pair for one in found for pair in one.cookies),
        secrets=tuple(secret for one in found for secret in one.secrets),
        source=tuple(found),
        pooled=any(one.pooled for one in found),
        sign=sign if signs else None,
    )


def _joined(users: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
    async def principal() -> str | None:
        found = [await user() for user in users]
        return None if None in found else "\x00".join(found)

    return principal
