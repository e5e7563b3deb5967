"""Digest over the layers: the challenge through one free try, nonces that age, wrong passwords, streams."""

from __future__ import annotations

import hashlib
import re

import pytest

from asyncapi import AuthError, Client, ConfigError, Digest, Env, Unauthorized
from asyncapi.testing import MockTransport, reply

CANARY = "canary" + "bird"


class Door:
    """A server that asks for Digest: each nonce is good for `good_for` requests; it keeps what it saw."""

    def __init__(self, password=CANARY, *, good_for=1000, qop="auth", says_stale=True, next_nonce=False) -> None:
        self.password = password
        self.good_for = good_for
        self.qop = qop
        self.says_stale = says_stale
        self.next_nonce = next_nonce
        self.nonces: dict[str, list[int]] = {}
        self.seen: list[tuple[str, int]] = []

    def __call__(self, request):
        given = request.headers.get("Authorization")
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', (given or "").removeprefix("Digest ")))
        count = int(fields.get("nc", "0"), 16)
        self.seen.append((fields.get("nonce", ""), count))
        counts = self.nonces.get(fields.get("nonce", ""))
        if counts is None or len(counts) >= self.good_for:
            return self.challenge(stale=counts is not None and self.says_stale)
        if count in counts or fields["uri"] != request.url.raw_path_qs or not self.right(request, fields):
            return self.challenge()
        counts.append(count)
        headers = {"Authentication-Info": f'nextnonce="{self.nonce()}", qop=auth'} if self.next_nonce else {}
        return reply(200, headers=headers)

    def right(self, request, fields) -> bool:
        def md5(*parts):
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        body = hashlib.md5(request.content or b"").hexdigest()
        about = [request.method, fields["uri"], *([body] if fields["qop"] == "auth-int" else [])]
        secret = md5("me", "door", self.password)
        return fields["response"] == md5(
            secret, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], md5(*about)
        )

    def nonce(self) -> str:
        made = f"n{len(self.nonces) + 1}"
        self.nonces[made] = []
        return made

    def challenge(self, *, stale=False):
        value = f'Digest realm="door", nonce="{self.nonce()}", qop="{self.qop}"{", stale=true" if stale else ""}'
        return reply(401, headers={"WWW-Authenticate": value})

    def client(self, password=CANARY, **settings) -> Client:
        return Client("https://h/v1", auth=Digest("me", password), transport=MockTransport(self), **settings)


@pytest.mark.parametrize("retry", [None, 4])
@pytest.mark.parametrize("qop", ["auth", "auth-int", "auth-int,auth"])
async def test_the_challenge_is_answered_at_once_and_remembered(retry, qop):
    door = Door(qop=qop)
    async with door.client(retry=retry) as api:
        first = await api.post("/a b?c=d&e=%2F", content=b"body")
        assert [attempt.why for attempt in first.attempts] == ["first", "auth: 401, a digest challenge"]
        await api.get("/")
        await api.put("/", json={"a": 1})
    assert door.seen == [("", 0), ("n1", 1), ("n1", 2), ("n1", 3)]


async def test_many_at_once_answer_with_counts_of_their_own():
    door = Door()
    async with door.client() as api:
        answers = await api.gather(["/"] * 50)
        assert {answer.status for answer in answers} == {200}
        assert max(len(answer.attempts) for answer in answers) == 2


@pytest.mark.parametrize("says_stale", [True, False])
async def test_an_old_nonce_is_replaced_at_once(says_stale):
    door = Door(good_for=3, says_stale=says_stale)
    async with door.client(retry=None) as api:
        for _ in range(10):
            assert (await api.get("/")).status == 200
    assert [count for _, count in door.seen].count(0) == 1


async def test_the_next_nonce_is_used():
    door = Door(good_for=1, next_nonce=True)
    async with door.client(retry=None) as api:
        for _ in range(5):
            assert (await api.get("/")).status == 200
    assert [count for _, count in door.seen] == [0, 1, 1, 1, 1, 1]


async def test_a_wrong_password_is_tried_once():
    door = Door()
    async with door.client("wrong") as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
        assert len(door.seen) == 2
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert len(door.seen) == 3


async def test_a_401_without_a_digest_challenge_is_a_401():
    transport = MockTransport(lambda _: reply(401, headers={"WWW-Authenticate": "Bearer"}))
    async with Client("https://h", auth=Digest("me", "pw"), transport=transport) as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert transport.requests == 1


async def test_a_streamed_body_has_no_auth_int():
    async def body():
        yield b"x"

    door = Door(qop="auth-int")
    async with door.client() as api:
        await api.get("/")
        with pytest.raises(AuthError, match="auth-int"):
            await api.post("/", content=body())


async def test_another_origin_gets_no_answer_to_its_challenge():
    """A stranger that a redirect leads to may not make us hash the password for it."""
    seen = []

    def handler(request):
        seen.append((request.url.host, "Authorization" in request.headers))
        if request.url.host == "h":
            return reply(302, headers={"Location": "https://evil/"})
        return reply(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n"'})

    async with Client("https://h", auth=Digest("me", "pw"), transport=MockTransport(handler)) as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert seen == [("h", False), ("evil", False)]


async def test_a_fetched_password(monkeypatch):
    monkeypatch.setenv("DIGEST_USER", "me")

    async def password():
        return CANARY

    door = Door()
    auth = Digest(Env("DIGEST_USER"), password)
    async with Client("https://h", auth=auth, transport=MockTransport(door)) as api:
        assert (await api.get("/")).ok


def test_it_shows_no_password_and_takes_no_control_characters():
    assert CANARY not in repr(Digest("me", CANARY)) + Digest("me", CANARY).describe()
    with pytest.raises(ConfigError, match="control character"):
        Digest("me", "a\nb")
