"""No link in the chain of a credential's error, shown or not, holds the credential: neither as text nor as a variable."""

from __future__ import annotations

import json

import pytest

from asyncapi import (
    AsyncAPIError,
    AuthError,
    Bearer,
    Client,
    ConfigError,
    Digest,
    Env,
    File,
    OAuth2ClientCredentials,
    OAuth2JWTBearer,
    OAuth2RefreshToken,
)
from asyncapi.stores import FileStore
from asyncapi.testing import MockTransport, reply

CANARY = "canary" + "bird"
HALF = f"{CANARY}\udcff"  # as `os.environ` gives what is not UTF-8


def links(error: BaseException) -> str:
    """Everything that can be read off an error, its causes and its contexts, also those that are not shown."""
    left, seen = [error], []
    while left:
        one = left.pop()
        if one is not None and one not in seen:
            seen.append(one)
            left += [one.__cause__, one.__context__]
    return " ".join(f"{one!r} {one} {one.args} {vars(one)} {getattr(one, 'doc', '')}" for one in seen)


async def refused(auth, handler=lambda request: reply(200, json={})) -> AsyncAPIError:
    async with Client("https://h", auth=auth, transport=MockTransport(handler), retry=None) as api:
        with pytest.raises(AuthError) as caught:
            await api.get("/")
    return caught.value


def challenge(request):
    return reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})


SIGNING = [
    lambda: OAuth2JWTBearer("https://h/token", "me", Env("VALUE")),
    lambda: OAuth2ClientCredentials("https://h/token", "me", private_key=Env("VALUE")),
]
SENDING = [
    lambda: Bearer(Env("VALUE")),
    lambda: OAuth2ClientCredentials("https://h/token", "me", Env("VALUE")),
    lambda: OAuth2ClientCredentials("https://h/token", "me", Env("VALUE"), auth_method="client_secret_post"),
    lambda: OAuth2RefreshToken("https://h/token", "me", refresh_token=Env("VALUE")),
    lambda: Digest("me", Env("VALUE")),
    lambda: Digest(Env("VALUE"), "secret"),
]
NO_KEY = '{"kty": "EC", "d": "' + CANARY


@pytest.mark.parametrize(
    ("make", "value"), [*((make, HALF) for make in SIGNING + SENDING), *((make, NO_KEY) for make in SIGNING)]
)
async def test_a_value_that_can_not_be_used(make, value, monkeypatch):
    pytest.importorskip("joserfc")
    monkeypatch.setenv("VALUE", value)
    assert CANARY not in links(await refused(make(), challenge))


async def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "key").write_bytes(CANARY.encode() + b"\xff")
    error = await refused(Bearer(File(tmp_path / "key")))
    assert "it is not UTF-8 text" in str(error)
    assert CANARY not in links(error)


async def test_a_token_file_that_is_damaged(tmp_path):
    fernet = pytest.importorskip("cryptography.fernet")
    for content in (f'{{"{CANARY}', f'["{CANARY}"]', CANARY):
        key = FileStore.new_key()
        (tmp_path / "tokens").write_bytes(fernet.Fernet(key).encrypt(content.encode()))
        with pytest.raises(AuthError, match="is damaged") as caught:
            await FileStore(tmp_path / "tokens", key=key).load("a")
        assert CANARY not in links(caught.value)


@pytest.mark.parametrize("key", [CANARY.encode() + b"\xff", CANARY.encode()])
async def test_a_key_file_that_is_damaged(key, tmp_path):
    pytest.importorskip("cryptography")
    (tmp_path / "tokens.key").write_bytes(key)
    (tmp_path / "tokens").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is not a Fernet key") as caught:
        await FileStore(tmp_path / "tokens").load("a")
    assert CANARY not in links(caught.value)


def test_an_origin_with_a_password():
    for place in (f"https://me:{CANARY}@[::1", f"https://me:{CANARY}@h:port", f"//me:{CANARY}@h"):
        with pytest.raises(ConfigError) as caught:
            Client(auth={place: Bearer("token")})
        assert CANARY not in links(caught.value)


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_token_endpoint_that_repeats_what_it_was_sent(status, method):
    def echo(request):
        form = request.content.decode()
        said = f"{form} {request.headers.get('Authorization')} {CANARY}"
        return reply(status, content=json.dumps({"error": said, "error_description": said}).encode())

    auth = OAuth2ClientCredentials("https://h/token", "me", CANARY, auth_method=method)
    async with Client("https://h", auth=auth, transport=MockTransport(echo), retry=None) as api:
        with pytest.raises(AuthError) as caught:
            await api.get("/")
    assert CANARY not in links(caught.value)
