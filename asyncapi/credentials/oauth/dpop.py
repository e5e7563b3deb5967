"""Bind tokens to a key by DPoP: only who holds the key can use the token (RFC 9449; extra `auth`).

Every request carries a proof: a small JWT, signed with the key, of the method, the URL, the time and the token. A
server that wants its own nonce in the proof asks for it once; every response may bring the next one.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.credentials.base import Signature
from asyncapi.credentials.oauth.jose import ProofKey, new_key
from asyncapi.credentials.static import bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.origin import Origin

_MAX_NONCES = 1000  # of as many servers; the oldest is forgotten
_ASKED = frozenset({400, 401})
_ASKS = "use_dpop_nonce"
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,2048}")  # RFC 9449 section 8.1; a longer one would fill the headers


class Proofs:
    """Make the proofs of one credential, with the nonce of each server.

    Attributes:
        key: The key that was used last, a private JWK as text: the next token is bound to it, if no other is given.

    Raises:
        ConfigError: joserfc is not installed.
    """

    __slots__ = ("_nonces", "_proof_key", "key")

    def __init__(self) -> None:
        self.key: str = new_key()  # made now, so that a missing package shows when the credential is made
        self._proof_key = ProofKey(self.key)
        self._nonces: dict[tuple[Origin, bool], str] = {}  # by (server, whether an API's)

    def write(self, token: str, key: str) -> Signature:
        """Make the signature of a token that is bound to this key (RFC 9449 section 7.1).

        Raises:
            AuthError: The token can't be sent, or the key can't be read.
        """
        self._read(key)
        [(name, _)] = bearer(token).headers  # which checks the token
        return Signature(headers=((name, f"DPoP {token}"),), secrets=(token,), sign=self.prover(key, token))

    def prover(self, key: str, token: str = "") -> Callable[[Request, float], Request]:
        """Return `prove` for this key and token; not a `partial`, whose repr would show them."""
        return lambda request, now: self.prove(key, request, now, token=token)

    def prove(self, key: str, request: Request, now: float, *, token: str = "") -> Request:
        """Return a copy of the request with its proof (RFC 9449 section 4.2); `now` in seconds since the Unix epoch."""
        # `htu` is the URL without query and fragment (RFC 9449 section 4.2).
        claims: dict[str, Any] = {
            "jti": str(uuid.uuid4()), "htm": request.method, "iat": int(now),
            "htu": str(request.url.with_user(None).with_query(None).with_fragment(None)).removesuffix("?"),
        }  # fmt: skip
        # The hash binds the proof to this token (RFC 9449 section 4.2); the token endpoint gets a proof without.
        if token:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if nonce := self._nonces.get((request.target.origin, bool(token))):
            claims["nonce"] = nonce
        headers = CIMultiDict(request.headers)
        headers["DPoP"] = self._read(key).sign(claims)
        return request.copy(headers=headers)

    def learn(self, response: Response, *, api: bool = True) -> str:
        """Remember the nonce in a response of the API, or of the token endpoint (RFC 9449 sections 8.2 and 9).

        Returns:
            Why the request should be sent again with it, or "".
        """
        nonce = response.headers.get("DPoP-Nonce")
        if nonce is None or not _NONCE.fullmatch(nonce):
            return ""
        # Popped first, so that the nonce moves to the end: the server whose nonce is the oldest is forgotten.
        self._nonces.pop((response.target.origin, api), None)
        self._nonces[response.target.origin, api] = nonce
        if len(self._nonces) > _MAX_NONCES:
            del self._nonces[next(iter(self._nonces))]
        wanted = response.status in _ASKED and (
            _ASKS in " ".join(response.headers.getall("WWW-Authenticate", ())) or _ASKS.encode() in response.content
        )
        return f"{response.status}, a DPoP nonce" if wanted else ""

    @property
    def thumbprint(self) -> str:
        """The thumbprint that names the key to a server (RFC 7638)."""
        return self._proof_key.thumbprint

    def _read(self, key: str) -> ProofKey:
        if key != self.key:  # reading a key takes as long as a signature
            self._proof_key, self.key = ProofKey(key), key
        return self._proof_key
