"""AWS keys: where they are found, when they are renewed, and what is said if there are none."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sys
import threading

import pytest

from asyncapi import AuthError, AWSSigV4, Client, ConfigError
from asyncapi.credentials.aws_keys import Chain, Keys, botocore, region_of
from asyncapi.testing import FakeClock, MockTransport, reply, run
from aws_bucket import Bucket, key_of, signature

pytest.importorskip("botocore")

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import EndpointConnectionError

CANARY = "canary" + "bird"

pytestmark = pytest.mark.usefixtures("no_aws_around")


def test_keys_come_from_the_environment_or_a_profile(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile work]\nregion = eu-north-1\n[default]\nregion = us-west-1\n")
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = worker\naws_secret_access_key = s\naws_session_token = t\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "around")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    async def scenario(auth):
        bucket = Bucket()
        async with bucket.client(auth) as api:
            await api.gather(["/"] * 5)
        return re.search(r"Credential=(\S+?)/\d+/(\S+?)/", bucket.seen[0].headers["Authorization"]).groups()

    assert run(scenario(AWSSigV4("s3", profile="work"))) == ("worker", "eu-north-1")
    assert run(scenario(AWSSigV4("s3"))) == ("around", "us-west-1")
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    assert run(scenario(AWSSigV4("s3"))) == ("around", "sa-east-1")
    assert run(scenario(AWSSigV4("s3", "given"))) == ("around", "given")


def test_keys_that_were_replaced_in_their_file_are_found_after_a_refusal(tmp_path):
    def write(key):
        (tmp_path / "credentials").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n")

    async def scenario():
        write("old")
        valid, seen = "old", []

        async def server(request):
            seen.append(key_of(request))
            await asyncio.sleep(0)
            return reply() if seen[-1] == valid else reply(400, content=b"<Code>ExpiredToken</Code>")

        async with Client("https://h", auth=AWSSigV4("s3", "r"), transport=MockTransport(server)) as api:
            await api.get("/")
            write("new")
            valid = "new"
            answers = await api.gather(["/"] * 10)
        assert {answer.status for answer in answers} == {200}
        assert seen.count("new") == 10
        assert 2 <= seen.count("old") <= 11

    asyncio.run(scenario())


def test_keys_that_are_always_refused_as_outdated_are_not_searched_each_call():
    """The chain asks STS, a container or an instance for them."""

    async def scenario():
        clock, seen = FakeClock(), []

        def server(request):
            seen.append(request.url.path)
            return reply(400, content=b"<Code>ExpiredToken</Code>") if request.url.path == "/x" else reply()

        async def find(old, context):
            looked.append(old)
            return Keys("a", "s")

        auth, looked = AWSSigV4("s3", "r"), []
        auth._keys._fetch = find
        transport = MockTransport(server, clock=clock)
        async with Client("https://h", auth=auth, transport=transport, clock=clock, raise_for_status=False) as api:
            for _ in range(100):
                assert (await api.get("/x")).status == 400
                assert (await api.get("/")).status == 200
                await clock.sleep(0.1)
        assert len(looked) <= 6

    run(scenario())


class Role:
    """Keys of a role: each renewal gives the next, for a quarter of an hour."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.given = 0
        self.threads = set()
        self.down = False
        self.credentials = RefreshableCredentials.create_from_metadata(self.renew(), self.renew, "test")
        self.credentials._time_fetcher = self.now

    def now(self):
        return dt.datetime.fromtimestamp(self.clock.wall_now, dt.UTC)

    def renew(self):
        self.threads.add(threading.current_thread())
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://sts")
        self.given += 1
        end = dt.datetime.fromtimestamp(self.clock.wall_now + 900, dt.UTC)
        return {
            "access_key": f"role{self.given}",
            "secret_key": CANARY,
            "token": f"{CANARY}{self.given}",
            "expiry_time": end.isoformat(),
        }


class Wall(FakeClock):
    """Threads can ask it too."""

    wall_now = 1_700_000_000.0

    def wall(self):
        self.wall_now = super().wall()
        return self.wall_now


def test_keys_that_expire_are_renewed_in_a_thread_beside_the_calls_and_once():
    async def scenario():
        bucket = Bucket()
        bucket.clock = Wall()
        bucket.clock.wall()
        role = Role(bucket.clock)
        auth = AWSSigV4("s3", "r", credentials=role.credentials)
        async with bucket.client(auth, concurrency=None) as api:
            role.threads.clear()
            await api.gather(["/"] * 100)
            assert role.given == 1
            await bucket.clock.sleep(700)
            before = bucket.clock.now()
            await api.gather(["/"] * 100)
            assert bucket.clock.now() == before
            assert {key_of(request) for request in bucket.seen} == {"role1"}
            await auth._keys._task  # its thread takes real time
            await api.get("/")
            assert (key_of(bucket.seen[-1]), role.given) == ("role2", 2)
            await bucket.clock.sleep(2000)  # long expired: waited for
            await api.gather(["/"] * 1000, concurrency=1000)
            assert (key_of(bucket.seen[-1]), role.given) == ("role3", 3)
            assert len({signature(request) for request in bucket.seen}) > 1
            await bucket.clock.sleep(700)
            role.down = True
            for _ in range(5):
                assert (await api.get("/")).status == 200
                await auth._keys._task
                await bucket.clock.sleep(30)
            await bucket.clock.sleep(1000)
            with pytest.raises(AuthError, match="could not get the AWS keys: EndpointConnectionError"):
                await api.get("/")
        assert threading.main_thread() not in role.threads

    run(scenario())


def test_without_keys_one_clear_line_says_what_to_set():
    async def scenario():
        async with Bucket().client(AWSSigV4("s3", "r")) as api:
            with pytest.raises(
                AuthError, match="could not get the AWS keys: the search found none: set AWS_ACCESS_KEY_ID"
            ):
                await api.get("/")

    run(scenario())


def test_half_a_pair_in_the_environment_is_an_auth_error(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")

    async def scenario():
        async with Bucket().client(AWSSigV4("s3", "r")) as api:
            with pytest.raises(AuthError, match="PartialCredentialsError"):
                await api.get("/")

    run(scenario())


def test_a_chain_says_where_its_keys_come_from():
    assert Chain(None, None).describe() == "of botocore's chain"
    assert Chain("work", None).describe() == "of the profile work"
    assert Chain(None, Credentials("a", CANARY)).describe() == "of the credentials given"


def test_only_a_search_or_keys_that_renew_themselves_may_find_others():
    assert Chain(None, None).forget()
    assert Chain(None, Role(Wall()).credentials).forget()
    assert not Chain(None, Credentials("a", CANARY)).forget()


def test_the_region_is_that_of_the_variable_then_of_the_profile(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="no region: give it"):
        region_of(None)
    (tmp_path / "config").write_text("[profile work]\nregion = eu-north-1\n[default]\nregion = us-west-1\n")
    assert (region_of(None), region_of("work")) == ("us-west-1", "eu-north-1")
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    assert (region_of(None), region_of("work")) == ("sa-east-1", "eu-north-1")
    with pytest.raises(ConfigError, match="nobody"):
        region_of("nobody")


def test_a_set_of_keys_shows_none_of_them():
    assert CANARY not in repr(Keys("id", CANARY, CANARY))


def test_without_botocore_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[aws\]'"):
        botocore("session")
