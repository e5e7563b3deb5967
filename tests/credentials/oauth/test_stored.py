"""A token that could be had is used, whatever its store does; and no refresh token that was replaced is sent again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from asyncapi import AuthError, OAuth2ClientCredentials, OAuth2RefreshToken
from asyncapi.sansio.auth.oauth import Token
from asyncapi.stores import FileStore, MemoryStore
from asyncapi.testing import run
from provider import CANARY, Provider


class Failing(MemoryStore):
    """A store whose next calls fail: `fails["save"] = 2`; or take `slow` seconds."""

    def __init__(self, **fails) -> None:
        super().__init__()
        self.fails = {"load": 0, "save": 0, "lock": 0, **fails}
        self.slow = {"load": 0.0, "save": 0.0, "lock": 0.0}
        self.error: Exception = AuthError("the token file can't be written: No space left on device")

    async def _do(self, what):
        if self.fails[what]:
            self.fails[what] -= 1
            raise self.error
        await asyncio.sleep(self.slow[what])

    async def load(self, name):
        await self._do("load")
        return await super().load(name)

    async def save(self, name, text):
        await self._do("save")
        await super().save(name, text)

    def lock(self):
        return _Lock(self)

    @property
    def kept(self) -> list[str]:
        return [Token.load(text).refresh_token.removeprefix(f"{CANARY}-refresh-") for text in self._texts.values()]


class _Lock:
    def __init__(self, store) -> None:
        self.store = store

    async def __aenter__(self):
        await self.store._do("lock")

    async def __aexit__(self, *_):
        if self.store.fails.get("unlock"):
            raise OSError


def rotating(lifetime=100.0) -> Provider:
    provider = Provider(lifetime=lifetime)
    provider.rotating = True
    provider.refreshable.add("first")
    return provider


def tool(store) -> OAuth2RefreshToken:
    return OAuth2RefreshToken("https://h/token", "tool", refresh_token="first", store=store)


def sent(provider) -> list[str]:
    return [form["refresh_token"].removeprefix(f"{CANARY}-refresh-") for form in provider.asked]


@pytest.mark.parametrize("error", [AuthError("No space left on device"), OSError(28, "full"), RuntimeError()])
def test_a_token_that_can_not_be_saved_is_used_and_saved_later(error, caplog):
    async def scenario():
        provider, store = rotating(), Failing(save=1)
        store.error = error
        async with provider.client(tool(store)) as api:
            for _ in range(4):
                assert (await api.get("/")).status == 200
            await provider.clock.sleep(0.1)
            assert store.kept == ["1"]
            await provider.clock.sleep(101)
            assert (await api.get("/")).status == 200
        assert sent(provider) == ["first", "1"]
        assert store.kept == ["2"]

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    [message] = caplog.messages
    assert message.startswith("OAuth2RefreshToken: the new token can't be saved (")
    assert CANARY not in message


def test_a_store_that_failed_for_a_while_is_behind_and_not_believed():
    """The store still has an older token: its refresh token is not sent again, and its access token not used again."""

    async def scenario():
        provider, store = rotating(), Failing()
        async with provider.client(tool(store), retry=None) as api:
            await api.get("/")
            store.fails["save"] = 1000
            for _ in range(3):
                await provider.clock.sleep(101)
                assert (await api.get("/")).status == 200
            provider.alive = dict.fromkeys(
                provider.alive, 0.0
            )  # revoked: the one in the store, which has not ended by our clock, is no better
            assert (await api.get("/")).status == 200
            assert (sent(provider), store.kept) == (["first", "1", "2", "3", "4"], ["1"])
            store.fails["save"] = 0
            await provider.clock.sleep(61)
            assert store.kept == ["5"]
        assert all(status == 200 or token == "4" for token, status in provider.served)

    run(scenario())


def test_what_could_not_be_saved_is_saved_when_the_client_closes():
    async def scenario():
        provider, store = rotating(), Failing(save=3)
        async with provider.client(tool(store)) as api:
            await api.get("/")
            assert store.kept == []
            store.fails["save"] = 0
        assert store.kept == ["1"]
        async with provider.client(tool(store)) as api:  # the next run of the program
            await provider.clock.sleep(101)
            assert (await api.get("/")).status == 200

    run(scenario())


def test_a_token_that_is_lost_with_the_program_is_logged(caplog):
    async def scenario():
        provider, store = rotating(), Failing(save=99)
        async with provider.client(tool(store)) as api:
            await api.get("/")

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert "the last token can't be saved (the token file can't be written" in caplog.messages[-1]


def test_what_another_program_has_saved_meanwhile_is_newer_and_stays():
    async def scenario():
        provider, store = rotating(), Failing()
        async with provider.client(tool(store)) as api:
            await api.get("/")
            store.fails["save"] = 1000
            await provider.clock.sleep(101)
            await api.get("/")
            [name] = store._texts
            theirs = Token("theirs", provider.clock.wall(), 1000.0, refresh_token="theirs")
            store._texts[name] = theirs.dump()
            provider.alive["theirs"] = provider.clock.wall() + 1000.0
            store.fails["save"] = 0
            await provider.clock.sleep(61)
            assert store.kept == ["theirs"]
            await provider.clock.sleep(60)
            assert (await api.get("/")).status == 200
        assert provider.served[-1] == ("theirs", 200)
        assert sent(provider) == ["first", "1"]

    run(scenario())


def test_a_store_that_can_not_be_read_at_the_start_does_not_have_the_session_risked():
    """The first refresh token may have been replaced long ago: it is not sent on a guess."""

    async def scenario():
        provider, store = rotating(), Failing(load=1)
        async with provider.client(tool(store)) as api:
            with pytest.raises(AuthError, match="the token store can't be read"):
                await api.get("/")
            assert provider.asked == []
            await provider.clock.sleep(1.0)
            assert (await api.get("/")).status == 200

    run(scenario())


@pytest.mark.parametrize("what", ["load", "lock", "unlock"])
def test_a_store_that_can_not_be_read_or_locked_later_stops_no_call(what, caplog):
    async def scenario():
        provider, store = rotating(), Failing()
        async with provider.client(tool(store)) as api:
            await api.get("/")
            store.fails[what] = 1
            await provider.clock.sleep(101)
            assert (await api.get("/")).status == 200
        assert (sent(provider), store.kept) == (["first", "1"], ["2"])

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("what", ["load", "save", "lock"])
def test_a_services_token_needs_no_store(what):
    async def scenario():
        provider, store = Provider(), Failing(**{what: 1000})
        auth = OAuth2ClientCredentials("https://h/token", "me", CANARY, store=store)
        async with provider.client(auth) as api:
            assert (await api.get("/")).status == 200

    run(scenario())


@pytest.mark.parametrize(
    "text",
    ["", "{", "\x00", '{"access_token": "a b", "lifetime": 1e9}', '{"access_token": "a\\nb"}', "[" * 100_000],
)
def test_a_store_whose_text_is_not_a_token_is_taken_as_empty(text):
    async def scenario():
        provider, store = rotating(), MemoryStore()
        async with provider.client(tool(store)) as api:
            await api.get("/")
        [name] = store._texts
        store._texts[name] = text
        provider.refreshable.add("first")
        async with provider.client(tool(store)) as api:
            assert (await api.get("/")).status == 200

    run(scenario())


def test_a_store_that_hangs_holds_calls_for_a_moment_only():
    async def scenario():
        provider, store = rotating(1000.0), Failing()
        async with provider.client(tool(store)) as api:
            await api.get("/")
            for what in ("save", "load"):
                store.slow[what] = 1e6
                await provider.clock.sleep(1001)
                began = provider.clock.now()
                assert (await api.get("/")).status == 200
                assert provider.clock.now() - began <= 10.0
            began = provider.clock.now()
        assert provider.clock.now() - began <= 15.0
        assert sent(provider) == ["first", "1", "2"]

    run(scenario())


def test_closing_waits_for_a_refresh_whose_response_would_be_lost():
    async def scenario():
        provider, store = rotating(), MemoryStore()
        async with provider.client(tool(store)) as api:
            await api.get("/")
            provider.slow = 1.0
            await provider.clock.sleep(80)  # renewed beside the calls
            await api.get("/")
            await provider.clock.sleep(0.1)
        [text] = store._texts.values()
        assert Token.load(text).refresh_token == f"{CANARY}-refresh-2"

    run(scenario())


def test_closing_waits_for_no_refresh_without_end():
    async def scenario():
        provider = rotating()
        async with provider.client(tool(MemoryStore())) as api:
            await api.get("/")
            provider.slow = 1e6
            await provider.clock.sleep(80)
            await api.get("/")
            await provider.clock.sleep(0.1)
            began = provider.clock.now()
        assert provider.clock.now() - began <= 5.0

    run(scenario())


async def test_a_folder_that_can_not_be_created_is_an_auth_error(tmp_path):
    pytest.importorskip("cryptography")
    (tmp_path / "file").write_text("")
    provider = rotating()
    async with provider.client(tool(FileStore(tmp_path / "file" / "tokens"))) as api:
        with pytest.raises(AuthError, match="the token store can't be read"):
            await api.get("/")
