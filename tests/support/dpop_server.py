"""An authorization server and the API it guards, which verify every DPoP proof with joserfc (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import json
import time

from aiohttp import web
from joserfc import jwk, jws

CANARY = "canary" + "bird"


class Refusal(Exception):
    """Why a proof is none."""


class Guarded:
    """`/token` binds tokens to keys, `/me` wants them with a proof.

    Attributes:
        nonces: The nonce each endpoint wants now, or "" for none.
        lifetime: Seconds that tokens live.
        bind: Whether tokens are bound; else they are plain ones.
        seen: What came: (path, status).
        keys: Thumbprints that tokens were bound to.
        forms: What the token endpoint was sent.
    """

    def __init__(self) -> None:
        self.nonces = {"/token": "", "/me": ""}
        self.lifetime = 3600
        self.bind = True
        self.seen: list[tuple[str, int]] = []
        self.keys: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.tokens: dict[str, str] = {}
        self.refreshable: dict[str, str] = {}
        self.used: set[str] = set()

    def routes(self):
        return [web.post("/token", self.token), web.route("*", "/me", self.me)]

    def prove(self, request: web.Request, token: str = "") -> str:
        """The thumbprint of the key that made a good proof (section 4.3)."""
        [proof] = request.headers.getall("DPoP", []) or [""]
        if not proof:
            raise Refusal("no proof")
        header = json.loads(base64.urlsafe_b64decode(proof.partition(".")[0] + "=="))
        if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256" or "d" in header["jwk"]:
            raise Refusal("header")
        key = jwk.import_key(header["jwk"])
        claims = json.loads(jws.deserialize_compact(proof, key, algorithms=["ES256"]).payload)
        if claims["htm"] != request.method or claims["htu"] != f"http://{request.host}{request.path}":
            raise Refusal("htm or htu")
        if abs(claims["iat"] - time.time()) > 60 or claims["jti"] in self.used:
            raise Refusal("iat or jti")
        self.used.add(claims["jti"])
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if claims.get("ath") != (ath if token else None):
            raise Refusal("ath")
        if claims.get("nonce", "") != self.nonces[request.path]:
            raise Refusal("use_dpop_nonce")
        return key.thumbprint()

    def answer(self, request, status, body, **headers):
        self.seen.append((request.path, status))
        if self.nonces[request.path]:
            headers["DPoP-Nonce"] = self.nonces[request.path]
        return web.json_response(body, status=status, headers=headers)

    async def token(self, request):
        form = dict(await request.post())
        self.forms.append(form)
        try:
            key = self.prove(request)
        except Refusal as refusal:
            error = "use_dpop_nonce" if str(refusal) == "use_dpop_nonce" else "invalid_dpop_proof"
            return self.answer(request, 400, {"error": error, "error_description": str(refusal)})
        if form["grant_type"] == "refresh_token" and self.refreshable.pop(form["refresh_token"], None) != key:
            return self.answer(request, 400, {"error": "invalid_grant"})
        self.keys.append(key)
        token, refresh = f"{CANARY}{len(self.keys)}", f"{CANARY}-refresh-{len(self.keys)}"
        self.tokens[token], self.refreshable[refresh] = key, key
        kind = "DPoP" if self.bind else "Bearer"
        return self.answer(
            request, 200,
            {"access_token": token, "token_type": kind, "expires_in": self.lifetime, "refresh_token": refresh},
        )  # fmt: skip

    async def me(self, request):
        await request.read()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        error = "invalid_token"
        if scheme == "DPoP":
            try:
                if self.prove(request, token) == self.tokens.get(token, ""):
                    return self.answer(request, 200, {"by": len(self.keys)})
            except Refusal as refusal:
                error = "use_dpop_nonce" if str(refusal) == "use_dpop_nonce" else "invalid_dpop_proof"
        return self.answer(request, 401, {}, **{"WWW-Authenticate": f'DPoP error="{error}", algs="ES256"'})
