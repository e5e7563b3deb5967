"""No secret is written: every one that a client sends or receives is looked for in the file."""

import json
import re
from base64 import b64encode

import pytest

from asyncapi import ApiKey, Basic, Bearer, Client, OAuth2ClientCredentials
from asyncapi.messages.call import Call
from asyncapi.messages.request import Request
from asyncapi.testing import Cassette, MockTransport, reply
from asyncapi.testing.cassettes.masking import Secrets, highest

pytestmark = pytest.mark.lanes


@pytest.mark.parametrize(
    ("kind", "text", "masked"),
    [
        ("application/json", '{"password": "hunter2", "name": "Ada"}', '{"password": "***1", "name": "Ada"}'),
        ("application/json", '{"a": [{"api_key":"k1"}, {"api_key":"k1"}]}', '{"a": [{"api_key":"***1"}, {"api_key":"***1"}]}'),
        ("application/json", '{"secrets": ["aa", "bb"], "tokens": ["Hello", "you"]}', '{"secrets": ["***1", "***2"], "tokens": ["Hello", "you"]}'),
        ("application/json", '{"prompt_tokens": 5, "otp": 123456}', '{"prompt_tokens": 5, "otp": 0}'),
        ("application/json", '{"next_page_token": "abc", "token_type": "bearer"}', '{"next_page_token": "abc", "token_type": "bearer"}'),
        ("application/json", r'{"data": "{\"password\": \"hunter2\"}"}', r'{"data": "{\"password\": \"***1\"}"}'),
        ("application/json", r'{"query": "mutation { login(password: \"x1\") }"}', r'{"query": "mutation { login(password: \"***1\") }"}'),
        ("application/json", r'{"token": "a\"b\u00e9"}', '{"token": "***1"}'),
        ("application/json", '{"Authorization": "Bearer abc"}', '{"Authorization": "Bearer ***1"}'),
        ("application/x-www-form-urlencoded", "grant_type=x&client_secret=s%20t&a=1", "grant_type=x&client_secret=***1&a=1"),
        ("application/xml", "<a><Password>x1</Password><b>y</b></a>", "<a><Password>***1</Password><b>y</b></a>"),
        ("text/event-stream", 'data: {"token": "abc"}\n\n', 'data: {"token": "***1"}\n\n'),
        ("text/plain", "see https://h/x?sig=abc&a=1 or not", "see https://h/x?sig=***1&a=1 or not"),
        ("text/plain", "-----BEGIN PRIVATE KEY-----\nabc\n-----END", "-----BEGIN PRIVATE KEY-----***1-----END"),
        ("multipart/form-data; boundary=b", '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nx1\r\n--b--', '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n***1\r\n--b--'),
        ("application/json", '{"a":1}', '{"a":1}'),
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_names(kind, text, masked):
    assert Secrets().content(text.encode(), kind).decode() == masked


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("Authorization", "Bearer abc", "Bearer ***1"),
        ("authorization", "abc", "***1"),
        ("Authorization", 'Digest username="u", response="r"', "Digest ***1"),
        ("X-Api-Key", "k", "***1"),
        ("Cookie", "a=1; b=2", "a=***1; b=***2"),
        ("Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=***1; Path=/; HttpOnly"),
        ("Location", "https://h/?code=abc&x=1", "https://h/?code=***1&x=1"),
        ("Location", "/next?token=abc", "/next?token=***1"),
        ("Link", '<https://h/?page=2&api_key=k>; rel="next"', '<https://h/?page=2&api_key=***1>; rel="next"'),
        ("Idempotency-Key", "k", "k"),
        ("ETag", '"abc"', '"abc"'),
    ],
)
def test_of_headers_only_the_secret_is_masked(name, value, masked):
    assert Secrets().fields([(name, value)]) == [(name, masked)]


def test_a_url_loses_its_secrets_and_its_user_info():
    assert (
        Secrets().url("https://ada:pw@h/a?key=1&b=2#access_token=x")
        == "https://***1@h/a?key=***2&b=2#access_token=***3"
    )


def test_masks_of_a_file_that_is_added_to_go_on():
    secrets = Secrets(taken=highest("a ***3 ***12 ****"))
    assert secrets.fields([("X-Api-Key", "new")]) == [("X-Api-Key", "***13")]
    assert secrets.fields([("X-Api-Key", "***3")]) == [("X-Api-Key", "***3")]


def test_what_the_user_names_is_masked_and_what_he_keeps_is_not():
    secrets = Secrets(["customer", re.compile(r"acct_(\w+)"), lambda text: text.replace("Ada", "X")], ["token"])
    text = secrets.text('{"customer": "c1", "token": "t", "to": "acct_9 of Ada"}')
    assert secrets.swept(text) == '{"customer": "***1", "token": "t", "to": "acct_***2 of X"}'


def test_in_bytes_a_secret_is_overwritten_at_its_length():
    secrets = Secrets()
    secrets.fields([("X-Api-Key", "secret-value-1")])
    assert secrets.swept(b"\xff\x00secret-value-1\xfe") == b"\xff\x00**************\xfe"


def test_a_word_that_happens_to_be_a_secret_stays_elsewhere():
    secrets = Secrets()
    secrets.url("https://h/?key=products")
    assert secrets.swept("/products of all products") == "/products of all products"


def test_a_credential_is_known_by_its_value():
    class Signed:
        secrets = ("pass-word",)

    request = Request("GET", "https://h/")
    request.call = Call(0.0, "h")
    request.call.signature = Signed()
    secrets = Secrets()
    secrets.learn(request)
    assert secrets.swept("x pass-word pass%2Dword y").startswith("x ***1 ")


CREDENTIALS = [
    (Bearer("bearer-s3cr3t-1"), Bearer("other"), ["bearer-s3cr3t-1"]),
    (Basic("ada", "basic-s3cr3t-2"), Basic("bob", "other"), ["basic-s3cr3t-2", b64encode(b"ada:basic-s3cr3t-2").decode()]),
    (ApiKey("plainkey99", header="X-Custom"), ApiKey("other", header="X-Custom"), ["plainkey99"]),
    (ApiKey("querykey77", query="appid"), ApiKey("other", query="appid"), ["querykey77"]),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "other", "secrets"), CREDENTIALS)
async def test_no_credential_is_written_even_where_the_server_echoes_it(tape, api, auth, other, secrets):
    async def program(auth):
        async with Client(api.url, auth=auth) as client:
            return (await client.post("/echo", json={"n": 1}, headers={"X-Note": f"it is {secrets[0]}"})).status

    with Cassette(tape.path):
        assert await program(other) == 200


async def test_a_token_replays_as_a_placeholder_that_works_with_other_secrets(tape, api):
    def program(secret):
        async def go():
            auth = OAuth2ClientCredentials(f"{api.url}/token", "me", secret)
            async with Client(api.url, auth=auth) as client:
                return (await client.post("/echo", json={"n": 1})).json()["headers"]["Authorization"]

        return go

    with Cassette(tape.path):
        first = await program("client-s3cr3t")()
    assert first.endswith("-1")
    text = tape.text()
    for secret in ("client-s3cr3t", first, first.partition(" ")[2], b64encode(b"me:client-s3cr3t").decode()):
        assert secret not in text
    with Cassette(tape.path, "none") as replay:
        assert re.fullmatch(r"Bearer \*\*\*\d+", await program("other-s3cr3t")())
    assert replay.unused == []


async def test_signed_urls_replay_with_another_signature(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/echo?X-Amz-Signature=0123abcdef&X-Amz-Date=20261128T000000Z&X-Amz-Expires=60")
    assert "0123abcdef" not in tape.text()
    with Cassette(tape.path, "none"):
        async with Client(api.url) as client:
            await client.get("/echo?X-Amz-Signature=9876fedcba&X-Amz-Date=20271128T000000Z&X-Amz-Expires=60")


async def test_a_secret_in_the_path_is_masked_by_a_pattern_and_replays(tape):
    mask = re.compile(r"/bot([^/]+)/")

    async def program(cassette, token):
        transport = cassette.transport(MockTransport(lambda _: reply(json={"ok": True})))
        async with Client("https://h", transport=transport) as client:
            return (await client.get(f"/bot{token}/getMe")).json()

    await program(Cassette(tape.path, mask=mask), "123:secret")
    assert "123:secret" not in tape.text()
    assert await program(Cassette(tape.path, "none", mask=mask), "456:other") == {"ok": True}
    assert await program(Cassette(tape.path, "none"), "789:third") == {"ok": True}


async def test_secrets_in_messages_of_sockets_and_errors_are_masked(tape, api):
    async with Client(api.url) as client:
        with Cassette(tape.path):
            async with client.websocket("/ws") as ws:
                await ws.send(json.dumps({"type": "connection_init", "payload": {"Authorization": "Bearer ws-tok-1"}}))
                await ws.receive()
    assert "ws-tok-1" not in tape.text()
    with Cassette(tape.path, "none"):
        async with Client(api.url) as client, client.websocket("/ws") as ws:
            await ws.send(json.dumps({"type": "connection_init", "payload": {"Authorization": "Bearer ws-tok-2"}}))
            assert "***" in await ws.receive()
