"""What the OAuth 2 credentials have in common: they sign with the access token of one authorization server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.options import show_options
from asyncapi.credentials.renamed import with_old_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.credentials.base import AuthContext, Signature
    from asyncapi.credentials.oauth.server import AuthServer
    from asyncapi.credentials.token_renewal import Tokens
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.auth.oauth import Token


@with_old_names
class _OAuthCredential:
    """Sign with an access token; each subclass is one grant: a way to get the token.

    Args:
        server: The authorization server.
        tokens: The current token, and what renews it.

    Attributes:
        max_resends: As in `Credential`: a new token, and with DPoP a nonce as well.
    """

    _grant: str  # the name that `explain()` shows

    def __init_subclass__(cls, options: type | None = None) -> None:
        super().__init_subclass__()
        if options is not None:
            show_options(cls.__init__, options)

    def __init__(self, server: AuthServer, tokens: Tokens[Token]) -> None:
        self._server = server
        self._tokens = tokens
        self.max_resends: int = tokens.max_resends

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature with the current token; None if a token has to be fetched first."""
        return self._tokens.cached_signature(request, context)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait for a token, and return the signature with it.

        Raises:
            AuthError: No token could be fetched.
        """
        return await self._tokens.fetch_signature(request, context)

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """After a 401, have a new token fetched, and say why the call should be sent again; else return ""."""
        return self._tokens.on_response(signature, response, refused, context)

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"OAuth 2 {self._grant}, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<{self._server.name} {self._server.describe()}>"
