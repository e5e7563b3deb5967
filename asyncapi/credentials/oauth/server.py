"""Talk to an authorization server: find its endpoints (RFC 8414), authenticate as a client, ask for tokens (RFC 6749).

Client authentication:
    client_secret_basic    Authorization: Basic, both parts form-encoded first (RFC 6749 section 2.3.1)
    client_secret_post     the secret in the form
    private_key_jwt        a signed assertion (RFC 7523 section 2.2; extra `auth`)
    none                   a public client: its id in the form
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote

from asyncapi.credentials.base import mask
from asyncapi.credentials.oauth import token_endpoint
from asyncapi.credentials.oauth.dpop import Proofs
from asyncapi.credentials.oauth.jose import sign_jwt
from asyncapi.credentials.oauth.options import AuthMethod
from asyncapi.credentials.oauth.stored import Stored
from asyncapi.credentials.sources import sendable, source
from asyncapi.credentials.static import basic, bearer
from asyncapi.credentials.token_renewal import Tokens
from asyncapi.errors import AuthError, ConfigError
from asyncapi.messages.uri import parse_url
from asyncapi.redact import is_secret, redact_url
from asyncapi.sansio.auth.oauth import (
    NO_BEARER,
    OTHER_ISSUER,
    Refused,
    Token,
    metadata_urls,
    missing_scope,
    read_json,
    read_metadata,
    read_token,
)
from asyncapi.sansio.auth.oauth_errors import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from asyncapi.credentials.base import AuthContext, Signature
    from asyncapi.credentials.oauth.options import OAuthOptions
    from asyncapi.credentials.sources import Value
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.stores.tokens import TokenStore

log: logging.Logger = logging.getLogger("asyncapi")

_METHODS = get_args(AuthMethod)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_LIFETIME = 60.0  # seconds for which a client assertion is valid
_TOKEN_ENDPOINT = "the token endpoint"  # noqa: S105 - its name in messages


class Issuer:
    """An authorization server by its issuer URL; its metadata name its endpoints (RFC 8414, OpenID Discovery).

        OAuth2ClientCredentials(Issuer("https://login.example.com"), "id", Env("SECRET"))

    Args:
        url: The issuer, exactly as the server names itself.
    """

    url: str
    given: str

    def __init__(self, url: str) -> None:
        self.url, self.given = _url(url, "Issuer"), url
        self._found: dict[str, str] | None = None

    async def endpoint(self, name: str, context: AuthContext) -> str:
        """Find the URL of an endpoint: "token_endpoint", "authorization_endpoint" ...

        Raises:
            AuthError: The metadata can't be fetched, or name no such endpoint.
        """
        if self._found is None:
            self._found = await self._discover(context)
        if name not in self._found:
            raise AuthError(f"the metadata of {self.url} name no {name}")
        found = self._found[name]
        # Metadata over https must not lead secrets into the clear; an issuer on plain http is somebody's test server.
        if not found.startswith("https://" if self.url.startswith("https") else ("http://", "https://")):
            raise AuthError(
                f"the metadata of {self.url} name {redact_url(found)!r} as its {name}: that is not an https URL"
            )
        return found

    async def names_itself(self, context: AuthContext) -> bool:
        """Whether the server sends `iss` with every redirect of a login (RFC 9207 section 3).

        Raises:
            AuthError: The metadata can't be fetched.
        """
        if self._found is None:
            self._found = await self._discover(context)
        return self._found.get("authorization_response_iss_parameter_supported") == "true"

    @property
    def spellings(self) -> frozenset[str]:
        """The spellings of the issuer that are accepted: as it was given here, and as its metadata spell it."""
        return frozenset({self.url, self.given, (self._found or {}).get("issuer", self.url)})

    async def _discover(self, context: AuthContext) -> dict[str, str]:
        why = ""
        for url in metadata_urls(self.url):
            response = await token_endpoint.get(context, url, who="the metadata")
            try:
                return read_metadata(response.status, response.content, self.url)
            except Refused as refusal:
                if not why or refusal.error == OTHER_ISSUER:  # RFC 8414 section 3.3; says more than a later 404
                    why = refusal.message
        raise AuthError(f"can't find the metadata of {self.url}: {why}")

    def __repr__(self) -> str:
        return f"Issuer({self.url!r})"


class AuthServer:
    """Ask an authorization server for tokens, as one of its clients.

    Args:
        name: The credential's class, for messages.
        where: The token endpoint, or the issuer that names it.
        client_id: The client's id.
        client_secret: The client's secret, or None.
        options: The credential's options, complete.
        private_key: A PEM or JWK, for `private_key_jwt`.
        key_id: The key's `kid`, if the server knows several keys of this client.

    Raises:
        ConfigError: The settings don't go together.
    """

    def __init__(
        self,
        name: str,
        where: str | Issuer,
        client_id: str,
        client_secret: Value | None,
        options: OAuthOptions,
        *,
        private_key: Value | None = None,
        key_id: str = "",
    ) -> None:
        dpop, token_type = options["dpop"], options["token_type"]
        fitting = "private_key_jwt" if private_key else "client_secret_basic" if client_secret else "none"
        method = options["auth_method"] or fitting
        if method not in _METHODS:
            raise ConfigError(f"{name}(auth_method={method!r}): give one of {', '.join(_METHODS)}")
        if not client_id or not isinstance(client_id, str):
            raise ConfigError(f"{name}: client_id is empty: give the id that the server knows the client by")
        if method.startswith("client_secret") and client_secret is None:
            raise ConfigError(f"{name}: {method} needs a client_secret")
        if method == "private_key_jwt" and private_key is None:
            raise ConfigError(f"{name}: private_key_jwt needs a private_key")
        if token_type.strip().lower() in NO_BEARER or (token_type and dpop):
            raise ConfigError(
                f"{name}(token_type={token_type!r}): give the server's name for its bearer tokens; DPoP is dpop=True"
            )
        self.name = name
        self.where: Issuer | str = where if isinstance(where, Issuer) else _url(where, name)
        self.client_id = client_id
        self._method = method
        self._secret = None if client_secret is None else source(client_secret, f"{name}'s client_secret")
        self._key = None if private_key is None else source(private_key, f"{name}'s private_key")
        self._key_id = key_id
        self._token_type = token_type
        self._has_warned = False  # of a scope that was not granted
        self.proofs: Proofs | None = Proofs() if dpop else None

    def tokens(
        self,
        fetch: Callable[[Token | None, AuthContext], Awaitable[Token]],
        store: TokenStore | None = None,
        kind: str = "",
        *,
        needed: bool = False,
    ) -> tuple[Tokens[Token], Stored]:
        """Make the holder of the tokens that `fetch` gets, and what saves them in a store.

        Args:
            fetch: Gets a new token, given the old one or None.
            store: Where tokens are saved, or None.
            kind: The name of the tokens in the store.
            needed: Whether the saved token is needed to get another, as a refresh token is.
        """
        stored = Stored(fetch, store, kind, who=self.name, check=self._write, needed=needed)
        look = None if self.proofs is None else self.proofs.learn
        return Tokens(self.name, stored.fetch, self._write, look=look), stored

    def _write(self, token: Token) -> Signature:
        if self.proofs is not None:
            return self.proofs.write(token.access_token, token.key)
        return bearer(token.access_token)

    async def find(self, where: str | Issuer, name: str, context: AuthContext) -> str:
        """Return the URL of an endpoint: as it was given, or as the issuer names it."""
        return await where.endpoint(name, context) if isinstance(where, Issuer) else where

    async def token(self, context: AuthContext, form: Mapping[str, str], *, before: str = "", key: str = "") -> Token:
        """Ask for a token.

        Args:
            context: The client's context.
            form: The grant's fields.
            before: The refresh token that is kept if the server sends no other (RFC 6749 section 6).
            key: With DPoP, the key to bind the token to; by default the credential's.

        Raises:
            AuthError: The token endpoint failed.
            Refused: The server refused.
        """
        url = await self.find(self.where, "token_endpoint", context)
        prove = None
        if self.proofs is not None:
            key = key or self.proofs.key
            prove = self.proofs.prover(key)
        response, secrets = await self._ask(context, url, form, who=_TOKEN_ENDPOINT, sign=prove)
        # RFC 9449 section 8: the server wants a nonce in the proof; once, as it would want the next one for ever.
        if self.proofs is not None and self.proofs.learn(response, api=False):
            response, secrets = await self._ask(context, url, form, who=_TOKEN_ENDPOINT, sign=prove)
        kind = "Bearer" if self.proofs is None else "DPoP"
        token = read_token(
            response.status, response.content, context.clock.wall(),
            before=before, kind=kind, called=self._token_type, hide=lambda content: mask(content, secrets),
        )  # fmt: skip
        self._compare(form.get("scope", ""), token.scope)
        return replace(token, key=key) if self.proofs is not None else token

    def _compare(self, requested: str, granted: str) -> None:
        """Warn once of scopes that the server did not grant (RFC 6749 section 3.3)."""
        missing = missing_scope(requested, granted)
        if missing and not self._has_warned:
            self._has_warned = True
            log.warning("%s: the server did not grant the scope %s", self.name, shown(" ".join(missing)))

    async def object(self, context: AuthContext, url: str, form: Mapping[str, str], *, who: str) -> dict[str, Any]:
        """Post a form as this client, and return the JSON object that the server sends.

        Raises:
            AuthError: The endpoint failed.
            Refused: The server refused.
        """
        response, secrets = await self._ask(context, url, form, who=who)
        return read_json(response.status, response.content, hide=lambda content: mask(content, secrets))

    async def ask(self, context: AuthContext, url: str, form: Mapping[str, str], *, who: str) -> Response:
        """Post a form as this client, and return the response, whatever its status.

        Raises:
            AuthError: The endpoint failed.
        """
        response, _ = await self._ask(context, url, form, who=who)
        return response

    async def _ask(
        self,
        context: AuthContext,
        url: str,
        form: Mapping[str, str],
        *,
        who: str,
        sign: Callable[[Request, float], Request] | None = None,
    ) -> tuple[Response, tuple[str, ...]]:
        """Return the response, and the secrets that it may repeat; `sign` as in `Signature`."""
        fields, headers, secret = await self._authentication(url, context)
        sent = {name: sendable(str(value), f"{self.name}: its {name}") for name, value in {**form, **fields}.items()}
        # Whatever authenticates is masked in the response: a server's error may repeat the request.
        basics = [value.removeprefix("Basic ") for value in headers.values()]
        secrets = (secret, *basics, *(value for name, value in sent.items() if is_secret(name)))
        response = await token_endpoint.post(context, url, sent, headers, who=who, secrets=secrets, sign=sign)
        return response, secrets

    async def _authentication(self, url: str, context: AuthContext) -> tuple[dict[str, str], dict[str, str], str]:
        """Return the fields and headers that authenticate the client, and the secret in them."""
        if self._method == "client_secret_basic" and self._secret is not None:
            secret = sendable(await self._secret.fetch(), f"{self.name}: its client_secret")
            # RFC 6749 section 2.3.1; a space as %20, which form decoders and URL decoders both understand.
            return {}, {"Authorization": basic(quote(self.client_id, safe=""), quote(secret, safe=""))}, secret
        if self._method == "client_secret_post" and self._secret is not None:
            secret = await self._secret.fetch()
            return {"client_id": self.client_id, "client_secret": secret}, {}, secret
        if self._key is not None:
            now = context.clock.wall()  # RFC 7523 section 3
            claims = {"iss": self.client_id, "sub": self.client_id, "aud": url, "jti": str(uuid.uuid4()),
                      "iat": int(now), "exp": int(now + _JWT_LIFETIME)}  # fmt: skip
            assertion = sign_jwt(await self._key.fetch(), claims, key_id=self._key_id)
            fields = {"client_id": self.client_id, "client_assertion_type": _ASSERTION, "client_assertion": assertion}
            return fields, {}, assertion
        return {"client_id": self.client_id}, {}, ""

    def describe(self) -> str:
        """Describe the client, the server and the authentication in a few words, without a secret."""
        where = repr(self.where) if isinstance(self.where, Issuer) else redact_url(self.where)
        bound = "" if self.proofs is None else ", DPoP"
        return f"client {self.client_id} at {where} ({self._method}{bound})"


def _url(text: str, name: str) -> str:
    url = parse_url(text)
    if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_user:
        raise ConfigError(f"{name}: {redact_url(url)!r} is not the URL of an endpoint: give https://host/path")
    return str(url)
