"""Add credentials to every attempt, and send them to their own origin only: two layers.

    auth     above the attempt's record: asks the credential for a signature, which may have to be waited for
    sign     just above the transport: writes it onto a copy of the request, and removes it from what comes back

Rules:
1. A credential belongs to the client's base origin; without a base URL, to the origin of the URL that the call names;
   or to the origins it was given for. Any other request, as after a redirect, goes without one. Where the client has
   several endpoints, it is given for them, and goes to no other place.
2. A request that carries a credential of its own in the same place (its header, its URL's user-info) is left alone.
3. When a response shows that the credential was at fault and another may work, `call.resend` says why: the retry layer
   sends the call again at once, outside its count.
4. Waiting for a credential is queue time: no attempt's, and never the host's latency.
5. An error that comes from where secrets are (a credential, the transport) is not to bring them along: the variables of
   the frames that it has left are emptied.
6. A call may have a credential of its own, or none (`Request.auth`). It goes to the origin of the URL that the call
   names (rule 1), and replaces the headers that rule 2 would respect. What is cached or shared with it is kept by what
   it writes, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from os import urandom
from typing import TYPE_CHECKING, Protocol

from yarl import URL

from asyncapi.credentials.key_pool import KeyPool
from asyncapi.credentials.renamed import with_new_names
from asyncapi.errors import AsyncAPIError, AuthError, ConfigError
from asyncapi.messages.call import Call
from asyncapi.messages.request import Request
from asyncapi.messages.response import Response
from asyncapi.redact import forget_variables, redact_broken
from asyncapi.sansio.http.origin import Origin, origin
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.credentials.base import AuthContext, Credential, Signature
    from asyncapi.messages.target import Target
    from asyncapi.types import Layer, Send

_UNAUTHORIZED = 401


class _Endpoints(Protocol):
    """The endpoints of a client that has several (`layers.balance.EndpointSet`)."""

    def has(self, target: Target) -> bool:
        """Whether a URL names all of them."""

    def covers(self, target: Target) -> bool:
        """Whether a URL names all of them, or has the origin of one."""

    def everywhere(self, asked: Target) -> list[Target]:
        """The URL at each of them."""


class Keyring:
    """The credentials of a client, and their origins.

    Args:
        given: One credential, or one for each origin (`{"https://a.example": Bearer(...)}`).
        base: The client's base URL, or "".
        context: What credentials may use of the client.
        endpoints: Those of the client, where it has several.
        among_others: Whether what is stored for this client's users may meet what is stored for those of other clients.

    Raises:
        ConfigError: A credential lacks a method of its protocol, or an origin can't be read.
    """

    __slots__ = ("_among_others", "_anywhere", "_by_origin", "_everywhere", "_of_set", "_unnamed", "context")

    def __init__(
        self,
        given: Credential | Mapping[str, Credential],
        base: str,
        context: AuthContext,
        endpoints: _Endpoints | None = None,
        *,
        among_others: bool = False,
    ) -> None:
        self.context: AuthContext = context
        self._among_others = among_others
        self._unnamed = urandom(16).hex() if among_others else ""  # for users whom only this client knows
        self._everywhere = endpoints
        self._of_set: Credential | None = None
        self._anywhere: Credential | None = None
        self._by_origin: dict[Origin, Credential] = {}
        if isinstance(given, Mapping):
            for place, credential in given.items():
                self._by_origin[_place(place)] = checked(credential)
        elif endpoints is not None:
            self._of_set = checked(given)
        elif base:
            self._by_origin[origin(URL(base))] = checked(given)
        else:
            self._anywhere = checked(given)

    def of(self, request: Request) -> Credential | None:
        """Return the credential for this request, or None (rule 1)."""
        credential: Credential | None = self._anywhere
        first, target, endpoints = request.call.original, request.target, self._everywhere
        if request.auth is not UNSET:
            credential = request.auth
            if endpoints is not None and endpoints.has(first):
                return credential if endpoints.covers(target) else None
        elif self._of_set is not None and endpoints is not None:
            return self._of_set if endpoints.covers(target) else None
        elif credential is None:
            return self._by_origin.get(target.origin)
        return credential if target is first or target.origin == first.origin else None

    def has_user(self, request: Request) -> bool:
        """Whether the URL that the call names, or the endpoint that it goes to, has user-info of its own."""
        first, endpoints = request.call.original, self._everywhere
        return first.has_user or (endpoints is not None and endpoints.has(first) and request.target.has_user)

    @property
    def _all(self) -> list[Credential]:
        """All credentials of the client."""
        one = self._anywhere or self._of_set
        return list(self._by_origin.values()) if one is None else [one]

    async def authorize(self) -> None:
        """Fetch the signature of every credential now.

        Raises:
            AuthError: A credential has no token or value.
        """
        for credential in self._all:
            request = Request("GET", "")
            request.call = Call(self.context.clock.now(), "")
            try:
                if credential.cached_signature(request, self.context) is None:
                    await credential.fetch_signature(request, self.context)
            except Exception as error:
                forget_variables(error)
                raise

    @property
    def one_user(self) -> bool:
        """Whether nobody but the same user is ever acted for: which a credential of the user's own must say."""
        if self._among_others and self.in_use:
            return False
        return all(getattr(credential, "principal", _unknown) is None for credential in self._all)

    async def principal(self, request: Request) -> str | None:
        """The user that this request would act for now; "" for the only one there is, None if nobody can tell.

        Raises:
            AuthError: A credential has no value.
        """
        credential, own, endpoints = self.of(request), request.auth is not UNSET, self._everywhere
        if self._by_origin and not own and endpoints is not None and endpoints.has(request.target):
            return await self._principal_everywhere(request, endpoints)
        ask = None if credential is None else getattr(credential, "principal", _unknown)
        if own and ask is None:
            return self._principal_of_own(credential, request)
        if ask is None:
            return self._only_user(credential)
        try:
            user: str | None = await ask()
        except AsyncAPIError as error:
            forget_variables(error)
            raise
        except Exception as error:
            failed = AuthError(f"{type(credential).__name__}: its value could not be read: {type(error).__name__}")
            forget_variables(error)
            raise failed from error
        named = user is not None and (own or self._among_others)
        return f"own {type(credential).__qualname__} {user}" if named else user

    def _only_user(self, credential: Credential | None) -> str:
        """The user of a credential that acts for one alone: "" where no other client's can be taken for it."""
        if credential is None or not self._among_others:
            return ""
        return f"only {getattr(credential, 'account', None) or self._unnamed}"

    async def _principal_everywhere(self, request: Request, endpoints: _Endpoints) -> str | None:
        """The users that a request may act for, where each endpoint has a credential of its own."""
        users = [await self.principal(request.copy(target=target)) for target in endpoints.everywhere(request.target)]
        known = [user for user in users if user is not None]
        return None if len(known) < len(users) else " ".join(dict.fromkeys(user for user in known if user))

    def _principal_of_own(self, credential: Credential | None, request: Request) -> str | None:
        """The user of a credential of the call's own that acts for one user alone (rule 6): told by what it writes."""
        if credential is None:
            return "nobody" if self.in_use else ""
        if isinstance(credential, KeyPool):  # which would count a key as sent
            return None
        signature = credential.cached_signature(request, self.context)
        if signature is None or signature.sign is not None:
            return None
        written = repr((signature.headers, signature.params, signature.cookies))
        return f"own {sha256(written.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def renew(self, request: Request) -> str:
        """Have another credential used next time, because the server refused this one outside of HTTP.

        A socket that is closed for its credential means what a 401 does; the next call names the signature in
        `call.refused`, and so waits for the new one.

        Args:
            request: That was sent with the credential.

        Returns:
            Why to send it again, or "" where the credential has no other.
        """
        credential, signature = self.of(request), request.call.signature
        if credential is None or signature is None:
            return ""
        refusal = Response(_UNAUTHORIZED, url=request.target, request=request)
        return credential.on_response(signature, refusal, (), self.context)

    @property
    def in_use(self) -> bool:
        """Whether the client has a credential."""
        return bool(self._all)

    def describe(self) -> str:
        """One line for `explain()`."""
        if self._of_set is not None:
            return f"{self._of_set.describe()}, for the endpoints alone"
        if self._anywhere is not None:
            return f"{self._anywhere.describe()}; redirects to another origin go without"
        return ", ".join(
            f"{credential.describe()}, for {scheme}://{host}:{port} alone"
            for (scheme, host, port), credential in self._by_origin.items()
        )


async def _unknown() -> None:
    """The principal of a credential that doesn't name one."""


def _place(given: str) -> Origin:
    shown = redact_broken(str(given))
    place: Origin | None = None
    with suppress(TypeError, ValueError):  # whose own text may hold a password
        url = URL(given)
        place = origin(url.origin())
    if place is None:
        raise ConfigError(f"auth: {shown!r} is not an origin: give scheme and host, like https://api.example.com")
    if url.path not in {"", "/"} or url.raw_query_string:
        raise ConfigError(f"auth: {shown!r}: a credential is for a whole origin; leave out what follows the host")
    return place


def checked(given: object) -> Credential:
    """What a user gives as a credential.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(given, tuple | list) and len(given) == 2:  # noqa: PLR2004 - as requests and httpx take them
        raise ConfigError(f"auth: a {type(given).__name__} is not a credential: give Basic(user, password)")
    given = with_new_names(given)
    if isinstance(given, type) or not all(
        hasattr(given, name) for name in ("cached_signature", "fetch_signature", "on_response", "max_resends")
    ):
        name = given.__name__ if isinstance(given, type) else type(given).__name__
        raise ConfigError(
            f"auth: {name} is not a credential: give Bearer('...'), ApiKey('...'), Basic('user', '...') ..."
        )
    return given  # type: ignore[return-value]  # it quacks like one


def auth(keyring: Keyring) -> Layer:
    """Give every attempt to a credential's origin its signature.

    Raises (from the layer):
        AuthError: The credential has no token or value.
    """
    context = keyring.context

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            call.resend = ""
            credential = keyring.of(request)
            try:
                signature = None if credential is None else credential.cached_signature(request, context)
                if signature is None and credential is not None:
                    signature = await _waited(credential, request, context)
            except Exception as error:
                forget_variables(error)
                raise
            if (
                credential is None
                or signature is None
                or (request.auth is UNSET and _has_own(keyring, request, signature))
            ):
                call.signature = None
                if isinstance(credential, KeyPool) and signature is not None:
                    credential.unused(signature)
                return await inner(request)
            call.signature = signature
            if call.others is not None:
                _note_user(call, credential, signature)
            response = await inner(request)
            why = credential.on_response(signature, response, call.refused, context)
            if why and len(call.refused) < credential.max_resends:  # rule 3
                call.resend = why
                call.refused = (*call.refused, signature)
            return response

        return send

    return layer


def _note_user(call: Call, credential: Credential, signature: Signature) -> None:
    """Note whom an attempt is sent for, if that is somebody else than the call was made for."""
    user_of = getattr(credential, "user_of", None)
    user = None if user_of is None else user_of(signature)
    if call.others is not None and user is not None and user not in (call.principal or "").split(" "):
        call.others.append(user)


async def _waited(credential: Credential, request: Request, context: AuthContext) -> Signature:
    call, now = request.call, context.clock.now
    call.phase, began = "queue", now()  # rule 4
    signature = await credential.fetch_signature(request, context)
    waited = now() - began
    call.queued += waited
    call.log_wait(f"auth {waited:.3g} s")
    return signature


def _has_own(keyring: Keyring, request: Request, signature: Signature) -> bool:
    """Rule 2; user-info that a redirect has put into the URL is not the call's own."""
    return signature.conflicts(request) or (
        keyring.has_user(request) and any(name == "Authorization" for name, _ in signature.headers)
    )


def sign(clock: Clock) -> Layer:
    """Write the signature onto the request, and remove it from the response."""
    wall = clock.wall

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            signature: Signature | None = request.call.signature
            if signature is None:
                return await inner(request)
            try:
                response = await inner(signature.write(request, wall()))
            except Exception as error:
                if isinstance(error, AsyncAPIError) and error.request is not None:
                    error.request = request.redacted()
                forget_variables(error)  # rule 5
                raise
            signature.erase(response, request)
            return response

        return send

    return layer
