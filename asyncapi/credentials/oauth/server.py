"""The authorization server of an OAuth 2 credential: who we are to it, and where its endpoints are.

Client authentication:
    client_secret_basic    Authorization: Basic, both parts form-encoded first (RFC 6749 section 2.3.1)
    client_secret_post     in the form
    private_key_jwt        a signed assertion (RFC 7523; extra `auth`)
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
from asyncapi.credentials.oauth.tokens import Tokens
from asyncapi.credentials.sources import sendable, source
from asyncapi.credentials.static import basic, bearer
from asyncapi.errors import AuthError, ConfigError
from asyncapi.messages.decoding import parse_url
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

log = logging.getLogger("asyncapi")

_METHODS = get_args(AuthMethod)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_LIFETIME = 60.0  # seconds
_WHO = "the token endpoint"


class Issuer:
    """An authorization server by its issuer URL: its endpoints are found in its metadata (RFC 8414, OpenID Discovery).

        OAuth2ClientCredentials(Issuer("https://login.example.com"), "id", Env("SECRET"))

    Args:
        url: The issuer, exactly as the server names itself.
    """

    def __init__(self, url: str) -> None:
        self.url, self.given = _url(url, "Issuer"), url
        self._found: dict[str, str] | None = None

    async def endpoint(self, name: str, context: AuthContext) -> str:
        """One of its endpoints: "token_endpoint", "authorization_endpoint" ...

        Raises:
            AuthError: Its metadata can't be had, or names no such endpoint.
        """
        if self._found is None:
            self._found = await self._discover(context)
        if name not in self._found:
            raise AuthError(f"the metadata of {self.url} name no {name}")
        found = self._found[name]
        if not found.startswith("https://" if self.url.startswith("https") else ("http://", "https://")):
            raise AuthError(
                f"the metadata of {self.url} name {redact_url(found)!r} as its {name}: that is no https URL"
            )
        return found

    async def names_itself(self, context: AuthContext) -> bool:
        """Whether its metadata say that it names itself in every answer to a login (RFC 9207 section 3).

        Raises:
            AuthError: Its metadata can't be had.
        """
        if self._found is None:
            self._found = await self._discover(context)
        return self._found.get("authorization_response_iss_parameter_supported") == "true"

    @property
    def spellings(self) -> frozenset[str]:
        """How it may be written: as it was given here, and as its metadata have it."""
        return frozenset({self.url, self.given, (self._found or {}).get("issuer", self.url)})

    async def _discover(self, context: AuthContext) -> dict[str, str]:
        said = ""
        for place in metadata_urls(self.url):
            response = await token_endpoint.get(context, place, who="the metadata")
            try:
                return read_metadata(response.status, response.content, self.url)
            except Refused as refusal:
                if not said or refusal.error == OTHER_ISSUER:  # which says more than that there are none elsewhere
                    said = refusal.message
        raise AuthError(f"no metadata of {self.url}: {said}")

    def __repr__(self) -> str:
        return f"Issuer({self.url!r})"


class AuthServer:
    """What every grant needs: asks the server for tokens, as the client it is registered for.

    Args:
        name: The credential's class, for messages.
        where: The token endpoint, or the issuer that names it.
        client_id: The client's id.
        client_secret: Its secret, or None.
        options: The credential's options, complete.
        private_key: A PEM or JWK, for `private_key_jwt`.
        key_id: The key's `kid`, if the server knows several keys of this client.

    Raises:
        ConfigError: They don't go together.
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
            raise ConfigError(f"{name}(auth_method={method!r}): one of {', '.join(_METHODS)}")
        if not client_id or not isinstance(client_id, str):
            raise ConfigError(f"{name}: client_id is empty: give the id that the server knows the client by")
        if method.startswith("client_secret") and client_secret is None:
            raise ConfigError(f"{name}: {method} needs a client_secret")
        if method == "private_key_jwt" and private_key is None:
            raise ConfigError(f"{name}: private_key_jwt needs a private_key")
        if token_type.strip().lower() in NO_BEARER or (token_type and dpop):
            raise ConfigError(
                f"{name}(token_type={token_type!r}): give what the server calls its bearer tokens; DPoP is dpop=True"
            )
        self.name = name
        self.where = where if isinstance(where, Issuer) else _url(where, name)
        self.client_id = client_id
        self._method = method
        self._secret = None if client_secret is None else source(client_secret, f"{name}'s client_secret")
        self._key = None if private_key is None else source(private_key, f"{name}'s private_key")
        self._key_id = key_id
        self._called = token_type
        self._narrow = False  # said once
        self.proofs = Proofs() if dpop else None

    def tokens(
        self,
        fetch: Callable[[Token | None, AuthContext], Awaitable[Token]],
        store: TokenStore | None = None,
        kind: str = "",
        *,
        needed: bool = False,
    ) -> tuple[Tokens[Token], Stored]:
        """The tokens that `fetch` gets from here, and where they are kept.

        Args:
            fetch: Gets a new one.
            store: Where they are kept, or None.
            kind: What names them there.
            needed: Whether what is kept is needed to get another.
        """
        stored = Stored(fetch, store, kind, who=self.name, check=self._write, needed=needed)
        look = None if self.proofs is None else self.proofs.learn
        return Tokens(self.name, stored.fetch, self._write, look=look), stored

    def _write(self, token: Token) -> Signature:
        if self.proofs is not None:
            return self.proofs.write(token.access_token, token.key)
        return bearer(token.access_token)

    async def find(self, given: str | Issuer, name: str, context: AuthContext) -> str:
        """The URL of an endpoint that is given as such, or as its issuer."""
        return await given.endpoint(name, context) if isinstance(given, Issuer) else given

    async def token(self, context: AuthContext, form: Mapping[str, str], *, before: str = "", key: str = "") -> Token:
        """Ask for a token.

        Args:
            context: The client's.
            form: The grant's fields.
            before: The refresh token among them, if any.
            key: The key that it is to be bound to, with DPoP; by default the credential's.

        Raises:
            AuthError: No answer.
            Refused: The server said no.
        """
        url = await self.find(self.where, "token_endpoint", context)
        prove = None
        if self.proofs is not None:
            key = key or self.proofs.key
            prove = self.proofs.prover(key)
        response, secrets = await self._ask(context, url, form, who=_WHO, sign=prove)
        if self.proofs is not None and self.proofs.learn(response, api=False):
            response, secrets = await self._ask(context, url, form, who=_WHO, sign=prove)
        kind = "Bearer" if self.proofs is None else "DPoP"
        token = read_token(
            response.status, response.content, context.clock.wall(),
            before=before, kind=kind, called=self._called, hide=lambda content: mask(content, secrets),
        )  # fmt: skip
        self._compare(form.get("scope", ""), token.scope)
        return replace(token, key=key) if self.proofs is not None else token

    def _compare(self, asked: str, given: str) -> None:
        """Say once that the token is for less than was asked for: what it lacks will be refused."""
        missing = missing_scope(asked, given)
        if missing and not self._narrow:
            self._narrow = True
            log.warning("%s: the server gave no scope %s", self.name, shown(" ".join(missing)))

    async def object(self, context: AuthContext, url: str, form: Mapping[str, str], *, who: str) -> dict[str, Any]:
        """Ask for something else.

        Raises:
            AuthError: No answer.
            Refused: The server said no.
        """
        response, secrets = await self._ask(context, url, form, who=who)
        return read_json(response.status, response.content, hide=lambda content: mask(content, secrets))

    async def ask(self, context: AuthContext, url: str, form: Mapping[str, str], *, who: str) -> Response:
        """Post a form as this client.

        Raises:
            AuthError: No answer.
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
        """The answer, and the secrets that it may repeat; `sign` as in `Signature`."""
        fields, headers, secret = await self._signed(url, context)
        sent = {name: sendable(str(value), f"{self.name}: its {name}") for name, value in {**form, **fields}.items()}
        basics = [value.removeprefix("Basic ") for value in headers.values()]
        secrets = (secret, *basics, *(value for name, value in sent.items() if is_secret(name)))
        response = await token_endpoint.post(context, url, sent, headers, who=who, secrets=secrets, sign=sign)
        return response, secrets

    async def _signed(self, url: str, context: AuthContext) -> tuple[dict[str, str], dict[str, str], str]:
        """The fields and headers that say who we are, and the secret in them."""
        if self._method == "client_secret_basic" and self._secret is not None:
            secret = sendable(await self._secret.fetch(), f"{self.name}: its client_secret")
            # A space as %20, which servers that decode forms and servers that decode URLs both understand.
            return {}, {"Authorization": basic(quote(self.client_id, safe=""), quote(secret, safe=""))}, secret
        if self._method == "client_secret_post" and self._secret is not None:
            secret = await self._secret.fetch()
            return {"client_id": self.client_id, "client_secret": secret}, {}, secret
        if self._key is not None:
            now = context.clock.wall()
            claims = {"iss": self.client_id, "sub": self.client_id, "aud": url, "jti": str(uuid.uuid4()),
                      "iat": int(now), "exp": int(now + _JWT_LIFETIME)}  # fmt: skip
            signed = sign_jwt(await self._key.fetch(), claims, key_id=self._key_id)
            who = {"client_id": self.client_id, "client_assertion_type": _ASSERTION, "client_assertion": signed}
            return who, {}, signed
        return {"client_id": self.client_id}, {}, ""

    def describe(self) -> str:
        """Where and as whom, in a few words."""
        where = repr(self.where) if isinstance(self.where, Issuer) else redact_url(self.where)
        bound = "" if self.proofs is None else ", DPoP"
        return f"client {self.client_id} at {where} ({self._method}{bound})"


def _url(given: str, name: str) -> str:
    url = parse_url(given)
    if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_user:
        raise ConfigError(f"{name}: {redact_url(url)!r} is no URL of an endpoint: give https://host/path")
    return str(url)
