"""An OAuth provider that nobody here wrote: Authlib's authorization server on Flask, in memory.

`python authlib_provider.py PORT_FILE` serves it on a loopback port. Its clients: `demo` with the secret `s3cret:/ &`,
`tool` without one (PKCE), `signer` with the public key that POST /keys brings. Ada agrees to everything at once; a
device code is agreed to at /activate?code=... . /me wants a token.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import (
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

SECRET = "s3cret:/ &"


class Registered(ClientMixin):
    def __init__(self, client_id, secret, methods):
        self.client_id, self.secret, self.methods = client_id, secret, methods

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri.startswith("http://127.0.0.1:")

    def check_client_secret(self, client_secret):
        return self.secret == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in self.methods

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return True


class Issued(TokenMixin):
    def __init__(self, token, client, user):
        self.token, self.client, self.user, self.issued, self.revoked = token, client, user, time.time(), False

    def check_client(self, client):
        return self.client.client_id == client.client_id

    def get_scope(self):
        return self.token.get("scope", "")

    def get_expires_in(self):
        return self.token["expires_in"]

    def is_expired(self):
        return self.issued + self.token["expires_in"] < time.time()

    def is_revoked(self):
        return self.revoked

    def get_user(self):
        return self.user

    def get_client(self):
        return self.client


class Code(dict):
    def get_redirect_uri(self):
        return self["redirect_uri"]

    def get_scope(self):
        return self["scope"]

    def __getattr__(self, name):
        return self.get(name)


CLIENTS = {
    "demo": Registered("demo", SECRET, {"client_secret_basic", "client_secret_post"}),
    "tool": Registered("tool", "", {"none"}),
    "signer": Registered("signer", "", {"client_assertion_jwt", "none"}),
}
TOKENS: list[Issued] = []
CODES: dict[str, Code] = {}
DEVICES: dict[str, DeviceCredentialDict] = {}
AGREED: set[str] = set()
KEYS: dict[str, str] = {}
LIFETIME = {"expires_in": 3600}


def save(token, req):
    TOKENS.append(Issued(dict(token), req.client, req.user))


def generate(client, grant_type, user=None, scope=None, expires_in=None, include_refresh_token=True):
    made = {
        "token_type": "Bearer",
        "access_token": secrets.token_urlsafe(24),
        "expires_in": LIFETIME["expires_in"],
        "scope": scope or "",
    }
    return made | ({"refresh_token": secrets.token_urlsafe(24)} if include_refresh_token else {})


class AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

    def save_authorization_code(self, code, req):
        data = req.payload.data
        CODES[code] = Code(
            code=code, client_id=req.client.client_id, redirect_uri=req.payload.redirect_uri, scope=req.payload.scope, user="ada",
            code_challenge=data.get("code_challenge"), code_challenge_method=data.get("code_challenge_method"),
        )  # fmt: skip

    def query_authorization_code(self, code, client):
        found = CODES.get(code)
        return found if found and found["client_id"] == client.client_id else None

    def delete_authorization_code(self, code):
        del CODES[code["code"]]

    def authenticate_user(self, code):
        return code["user"]


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return next(
            (one for one in TOKENS if one.token.get("refresh_token") == refresh_token and not one.revoked), None
        )

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        refresh_token.revoked = True


class Device(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "none"]

    def query_device_credential(self, device_code):
        return DEVICES.get(device_code)

    def query_user_grant(self, user_code):
        return ("ada", True) if user_code in AGREED else None

    def should_slow_down(self, credential):
        return False


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "none"]
    INTERVAL = 1

    def get_verification_uri(self):
        return request.host_url + "activate"

    def save_device_credential(self, client_id, scope, data):
        DEVICES[data["device_code"]] = DeviceCredentialDict(
            client_id=client_id,
            scope=scope or "",
            user_code=data["user_code"],
            expires_at=time.time() + data["expires_in"],
        )
        DEVICES[data["device_code"]]["device_code"] = data["device_code"]


class Assertion(JWTBearerClientAssertion):
    def validate_jti(self, claims, jti):
        return True

    def get_audiences(self):
        return [request.base_url]

    def resolve_client_public_key(self, client):
        return KEYS[client.client_id]


class Bearer(JWTBearerGrant):
    def resolve_issuer_client(self, issuer):
        return CLIENTS[issuer]

    def resolve_client_public_key(self, client):
        return KEYS[client.client_id]

    def get_audiences(self):
        return [request.base_url]

    def authenticate_user(self, subject):
        return subject

    def has_granted_permission(self, client, user):
        return True


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "none"]

    def query_token(self, token_string, token_type_hint):
        kinds = ("access_token", "refresh_token")
        return next((one for one in TOKENS if token_string in [one.token.get(kind) for kind in kinds]), None)

    def revoke_token(self, token, req):
        token.revoked = True


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return next((one for one in TOKENS if one.token["access_token"] == token_string), None)


def provider() -> Flask:
    app = Flask(__name__)
    server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save)
    server.register_token_generator("default", generate)
    server.register_client_auth_method(Assertion.CLIENT_AUTH_METHOD, Assertion())
    for grant in (grants.ClientCredentialsGrant, Refresh, Device, Bearer):
        if grant is grants.ClientCredentialsGrant:
            grant.TOKEN_ENDPOINT_AUTH_METHODS = [
                "client_secret_basic",
                "client_secret_post",
                Assertion.CLIENT_AUTH_METHOD,
            ]
        server.register_grant(grant)
    server.register_grant(AuthorizationCode, [CodeChallenge(required=True)])
    server.register_endpoint(Revocation)
    server.register_endpoint(DeviceEndpoint)
    guard = ResourceProtector()
    guard.register_token_validator(Validator())

    @app.get("/.well-known/oauth-authorization-server")
    def metadata():
        root = request.host_url.rstrip("/")
        names = {
            "token": "token",
            "authorization": "authorize",
            "revocation": "revoke",
            "device_authorization": "device",
        }
        return jsonify({"issuer": root} | {f"{name}_endpoint": f"{root}/{path}" for name, path in names.items()})

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.get("/authorize")
    def authorize():
        if request.args.get("login_hint") == "nobody":
            return server.create_authorization_response(grant_user=None)
        return server.create_authorization_response(grant_user="ada")

    @app.post("/revoke")
    def revoke():
        return server.create_endpoint_response("revocation")

    @app.post("/device")
    def device():
        return server.create_endpoint_response("device_authorization")

    @app.get("/activate")
    def activate():
        AGREED.add(request.args["code"])
        return "thanks"

    @app.post("/keys")
    def keys():
        KEYS["signer"] = request.get_data(as_text=True)
        return ""

    @app.post("/revoke-all")
    def revoke_all():
        for one in TOKENS:
            one.revoked = True
        return ""

    @app.get("/me")
    @guard()
    def me():
        from authlib.integrations.flask_oauth2 import current_token

        return jsonify(
            {"user": current_token.user, "client": current_token.client.client_id, "scope": current_token.get_scope()}
        )

    @app.get("/counts")
    def counts():
        return jsonify({"tokens": len(TOKENS), "alive": sum(not one.revoked for one in TOKENS)})

    return app


if __name__ == "__main__":
    served = make_server("127.0.0.1", 0, provider(), threaded=True)
    Path(sys.argv[1]).write_text(json.dumps(served.server_port))
    served.serve_forever()
