"""Where a credential's value comes from, and that it never shows."""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from asyncapi import AuthError, Bearer, Client, ConfigError, Env, File, Unauthorized
from asyncapi.testing import FakeClock, MockTransport, reply, run

CANARY = "canary" + "bird"


class Door:
    """Lets in who carries one of these tokens; writes down every Authorization it sees."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.seen: list[str] = []

    def __call__(self, request):
        self.seen.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return reply(200 if self.seen[-1] in self.good else 401)

    def client(self, value) -> Client:
        return Client("https://h", auth=Bearer(value), transport=MockTransport(self))


@pytest.mark.parametrize("value", [CANARY, SecretStr(CANARY)])
async def test_text_is_sent_as_it_is(value):
    door = Door(CANARY)
    async with door.client(value) as api:
        await api.get("/")
    assert door.seen == [CANARY]


async def test_a_variable_is_read_at_every_attempt(monkeypatch):
    door = Door("one", "two")
    async with door.client(Env("THE_KEY")) as api:
        with pytest.raises(AuthError, match="variable THE_KEY is not set"):
            await api.get("/")
        monkeypatch.setenv("THE_KEY", "one")
        await api.get("/")
        monkeypatch.setenv("THE_KEY", "two")
        await api.get("/")
        monkeypatch.setenv("THE_KEY", "")
        with pytest.raises(AuthError, match="THE_KEY is empty"):
            await api.get("/")
    assert door.seen == ["one", "two"]


async def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path):
    path = tmp_path / "key"
    door = Door("one", "two")
    async with door.client(File(path)) as api:
        with pytest.raises(AuthError, match=r"can't be read: No such file"):
            await api.get("/")
        path.write_text("one\n")
        await api.get("/")
        swapped = tmp_path / "new"
        swapped.write_text("two\n")
        os.replace(swapped, path)
        await api.get("/")
        path.unlink()  # in the middle of being replaced
        await api.get("/")
    assert door.seen == ["one", "two", "two"]


async def test_a_mounted_secret_that_is_swapped_by_its_link_is_seen(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    (tmp_path / "data").symlink_to("one")
    door = Door("one", "two")
    async with door.client(File(tmp_path / "data" / "token")) as api:
        await api.get("/")
        (tmp_path / "next").symlink_to("two")
        os.replace(tmp_path / "next", tmp_path / "data")
        await api.get("/")
    assert door.seen == ["one", "two"]


async def test_a_file_that_changed_unseen_is_read_again_after_a_401(tmp_path):
    """Same size, same time, same place: only the 401 tells."""
    path = tmp_path / "key"
    path.write_text("one")
    before = path.stat()
    door = Door("two")
    source = File(path)
    assert source.now() == "one"
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.now() == "one"
    async with door.client(source) as api:
        answer = await api.get("/")
    assert door.seen == ["one", "two"]
    assert [attempt.why for attempt in answer.attempts] == ["first", "auth: 401, Bearer read again"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
async def test_a_file_without_a_value_says_so(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(AuthError, match=r"key (is empty|can't be read: it is not UTF-8 text)"):
        File(path).now()


async def test_a_function_is_asked_for_every_attempt_and_once_more_after_a_401():
    given = iter(["one", SecretStr("two"), "three", "four", "five"])

    async def value():
        return next(given)

    door = Door("one", "three")
    async with door.client(value) as api:
        await api.get("/")
        await api.get("/")
        with pytest.raises(Unauthorized):
            await api.get("/")
    assert door.seen == ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize("given", [None, "", 3, b"x"])
async def test_a_function_that_gives_no_text_is_an_auth_error(given):
    async with Door().client(lambda: given) as api:
        with pytest.raises(AuthError, match=r"returned (empty text|NoneType|int|bytes), not a credential"):
            await api.get("/")


async def test_a_function_that_fails_is_an_auth_error_with_its_cause():
    async def value():
        raise OSError(CANARY)

    async with Door().client(value) as api:
        with pytest.raises(AuthError, match=r"value.*failed with OSError") as caught:
            await api.get("/")
    assert isinstance(caught.value.__cause__, OSError)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("value", ["", SecretStr(""), None, 3, b"key"])
def test_what_is_no_value_is_a_config_error(value):
    with pytest.raises(ConfigError, match=r"Bearer's value is .*: give text, Env"):
        Bearer(value)


def test_a_variable_needs_a_name():
    with pytest.raises(ConfigError, match="name of an environment variable"):
        Env("")


def test_reprs_say_where_a_value_comes_from_and_never_what_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("THE_KEY", CANARY)
    path = tmp_path / "key"
    path.write_text(CANARY)
    source = File(path)
    source.now()
    said = repr([Bearer(CANARY), Bearer(SecretStr(CANARY)), Bearer(Env("THE_KEY")), Bearer(source)])
    assert CANARY not in said
    assert "Env('THE_KEY')" in said
    assert f"File({str(path)!r})" in said


def test_a_route_that_refuses_every_value_does_not_call_the_function_each_time():
    async def scenario():
        clock, seen = FakeClock(), []

        def handler(request):
            seen.append(request.url.path)
            return reply(401 if request.url.path.startswith("/admin") else 200)

        transport = MockTransport(handler, clock=clock)
        auth = Bearer(lambda: "token")
        async with Client("https://h", auth=auth, transport=transport, clock=clock, raise_for_status=False) as api:
            for number in range(600):
                await api.get(f"/admin/{number}")
                await api.get("/")
                await clock.sleep(0.1)
        assert len(seen) - 1200 <= 8

    run(scenario())
