"""A tape takes what fits best, in the order of the recording."""

import asyncio
import json
from typing import Annotated, Any

import pytest

from asyncapi import (
    API,
    Bearer,
    Body,
    Client,
    Form,
    GraphQL,
    GraphQLError,
    OAuth2ClientCredentials,
    PageNumber,
    Response,
    Upload,
    get,
    post,
)  # fmt: skip
from asyncapi.bulk import Job
from asyncapi.bulk import run as run_job
from asyncapi.testing import Cassette, MockTransport, reply, run


def test_a_placeholder_is_found_to_the_letter_before_any_other(tape):
    """Two users who got masked tokens are told apart by them."""

    def handler(request):
        if request.url.path == "/login":
            return reply(json={"session_token": f"tok-{request.url.query['user']}-1234"})
        return reply(json={"me": request.url.query["session_token"].split("-")[1]})

    async def program(cassette, order):
        async with Client("https://h", transport=cassette.transport(MockTransport(handler))) as client:
            tokens = {
                user: (await client.get(f"/login?user={user}")).json()["session_token"] for user in ("ada", "bob")
            }
            return [(await client.get(f"/me?session_token={tokens[user]}")).json()["me"] for user in order]

    assert run(program(Cassette(tape.path), ["ada", "bob"])) == ["ada", "bob"]
    assert run(program(Cassette(tape.path, "none"), ["bob", "ada"])) == ["bob", "ada"]


@pytest.mark.parametrize("count", [1, 100])
def test_equal_requests_at_once_each_get_one_response(tape, count):
    numbers = iter(range(1000))

    async def program(cassette):
        transport = cassette.transport(MockTransport(lambda _: reply(json=next(numbers))))
        async with Client("https://h", transport=transport, auth=Bearer("b-123456")) as client:
            return sorted(
                [(await each).json() for each in [asyncio.create_task(client.get("/")) for _ in range(count)]]
            )

    assert run(program(Cassette(tape.path))) == run(program(Cassette(tape.path, "none"))) == list(range(count))


async def twice(tape, api, program, **settings):
    """Run a program against the API, then without it, and return both results."""
    with Cassette(tape.path, **settings):
        first = await program()
    sent = len(api.seen)
    with Cassette(tape.path, "none", **settings) as replay:
        second = await program()
    assert (len(api.seen), replay.unused) == (sent, [])
    return first, second


@pytest.mark.lanes
async def test_graphql_is_told_apart_by_document_and_variables(tape, api):
    async def program():
        async with Client(api.url) as client:
            gql = GraphQL(client, "/graphql")
            names = [
                await gql.query("query User($id: ID!) { user(id: $id) { name } }", {"id": number})
                for number in (2, 1, 3)
            ]
            renamed = await gql.mutate('mutation { rename(name: "Ada", password: "s3cret-1") { name } }')
            with pytest.raises(GraphQLError) as failed:
                await gql.query("query Bad { bad }")
            return names, renamed, str(failed.value)

    first, second = await twice(tape, api, program)
    assert first == second
    assert [each["user"]["name"] for each in first[0]] == ["user 2", "user 1", "user 3"]
    assert "s3cret-1" not in tape.text()


@pytest.mark.lanes
async def test_subscriptions_replay_event_by_event(tape, api):
    async def program():
        async with Client(api.url) as client:
            gql = GraphQL(client, "/graphql/events")
            subscription = gql.subscribe("subscription Prices { price }", over="sse")
            async with subscription as results:
                return [result["price"] async for result in results]

    first, second = await twice(tape, api, program)
    assert first == second == [1, 2, 3]


@pytest.mark.lanes
async def test_a_bulk_job_replays_row_by_row(tape, api, tmp_path):
    async def program():
        urls = [f"{api.url}/users/{number}" for number in range(1, 30)] + [f"{api.url}/missing"]
        out = tmp_path / "out.jsonl"
        summary = await run_job(Job(urls, str(out), overwrite=True, concurrency=8))
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        failed = [json.loads(line) for path in tmp_path.glob("*.failed*") for line in path.read_text().splitlines()]
        return (
            summary.ok,
            summary.failed,
            sorted((row["id"], row["data"]["id"]) for row in rows if row["ok"]),
            len(failed),
        )

    first, second = await twice(tape, api, program)
    assert first == second
    assert first[:2] == (29, 1)


class Shop(API):
    """A declared client, as users write one."""

    @get("/users/{id}")
    async def user(self, id: int) -> dict[str, int]: ...  # noqa: A002 - the API's word

    @post("/echo", idempotency_key=True)
    async def add(self, user: Annotated[dict[str, str], Body()]) -> dict[str, Any]: ...

    @post("/token")
    async def photo(self, photo: Annotated[bytes, Upload("photo")], title: Annotated[str, Form()]) -> Response: ...


@pytest.mark.lanes
async def test_a_declared_client_replays_although_its_keys_change(tape, api):
    async def program():
        async with Shop(api.url) as shop:
            user, made = await shop.user(7), await shop.add({"name": "Ada"})
            photo = await shop.photo(b"\xff\xfe" * 100, "me")
            return user, made["body"], photo.status

    first, second = await twice(tape, api, program)
    assert first == second
    assert first[1:] == ('{"name":"Ada"}', 200)


@pytest.mark.lanes
async def test_pages_and_a_saved_download_replay(tape, api, tmp_path):
    async def program():
        async with Client(api.url) as client:
            items = [item async for item in client.paginate("/pages", by=PageNumber(), items="items")]
            async with client.stream("GET", "/bytes") as response:
                await response.save(tmp_path / "bytes")
            return items, (tmp_path / "bytes").read_bytes()

    first, second = await twice(tape, api, program)
    assert first == second == ([1, 2, 3, 4, 5], bytes(range(256)) * 300)


@pytest.mark.lanes
async def test_an_oauth_login_and_basic_credentials_replay_without_a_secret(tape, api):
    async def program():
        auth = OAuth2ClientCredentials(f"{api.url}/token", client_id="me", client_secret="c1ient-s3cret")
        async with Client(api.url, auth=auth) as client:
            first = (await client.get("/users/1?api_key=qu3ry-key&n=1")).json()
        async with Client(api.url.replace("//", "//ada:p4ssw0rd-x@"), cookies=True) as client:
            return first, (await client.get("/login")).status, (await client.get("/users/2")).json()

    first, second = await twice(tape, api, program)
    assert first == second
    for secret in ("c1ient-s3cret", "real-", "qu3ry-key", "p4ssw0rd-x", "cookie-7f3a9b", "tok-303-abc", "YWRhOn"):
        assert secret not in tape.text(), secret


@pytest.mark.lanes
async def test_hosts_may_pass_by_a_cassette_of_all_clients_or_of_one(tape, api):
    async def program(**settings):
        async with Client(api.url, **settings) as client:
            return [(await client.get(path)).json()["number"] for path in ("/users/1", "/users/2")]

    def second(request):
        return request.url.path == "/users/2"

    with Cassette(tape.path, pass_through=second) as cassette:
        assert await program() == [1, 2]
    assert cassette.recorded == 1
    with Cassette(tape.path, "none", pass_through=second):
        assert await program() == [1, 3]
    replay = Cassette(tape.path, "none", pass_through=second)
    assert await program(transport=replay.transport()) == [1, 4]
    with Cassette(tape.path, "none", only=["*.example.com"]):
        assert await program() == [5, 6]


@pytest.mark.lanes
async def test_all_clients_that_record_anew_are_kept(tape, api):
    cassette = Cassette(tape.path, "all")
    for number in (1, 2):
        async with Client(api.url, transport=cassette.transport()) as client:
            await client.get(f"/users/{number}")
    assert [exchange.url[-8:] for exchange in Cassette(tape.path).exchanges] == ["/users/1", "/users/2"]
