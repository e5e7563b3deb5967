"""The servers that GraphQL APIs are made with differ in what they send: each is asked, and the same comes of it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from uuid import uuid4

import pytest
from pydantic import BaseModel

from asyncapi import (
    Bearer,
    Client,
    ConfigError,
    GraphQL,
    GraphQLError,
    GraphQLOperation,
    RateLimit,
    SchemaError,
    StatusError,
)
from node_peers import node_peer
from strawberry_peer import strawberry_peer

pytestmark = pytest.mark.lanes

USER = "query User($id: ID!) { user(id: $id) { id name } }"


class User(BaseModel):
    id: int
    name: str


@dataclass(frozen=True)
class Server:
    name: str
    url: str


SERVERS = {
    "yoga": lambda: node_peer("yoga.mjs"),
    "yoga with APQ and batches": lambda: node_peer("yoga.mjs", APQ="1", BATCH="1"),
    "apollo": lambda: node_peer("apollo.mjs"),
    "apollo with batches, without APQ": lambda: node_peer("apollo.mjs", APQ="0", BATCH="1"),
    "strawberry": strawberry_peer,
    "strawberry with batches": lambda: strawberry_peer(batch=True),
}
TAKE_BATCHES = {"yoga with APQ and batches", "apollo with batches, without APQ", "strawberry with batches"}
KNOW_HASHES = {"yoga with APQ and batches", "apollo"}


@pytest.fixture(scope="module")
def started():
    """Each server is started when a test first asks for it, and runs until the last."""
    with contextlib.ExitStack() as stack:
        running = {}

        def start(name):
            if name not in running:
                peer = stack.enter_context(SERVERS[name]())
                running[name] = Server(name, peer if isinstance(peer, str) else peer.url)
            return running[name]

        yield start


@pytest.fixture(params=SERVERS)
def server(request, started):
    return started(request.param)


async def seen(server, since=0):
    """The requests that the server has got, from number `since` on."""
    async with Client(server.url) as api:
        return (await api.get("/stats")).json()[since:]


async def test_a_query_is_a_value_of_its_model(server):
    async with Client(server.url) as api:
        gql = GraphQL(api)
        assert await gql.query(USER, {"id": "1"}, model=User, field="user") == User(id=1, name="Grace")
        assert await gql.query(USER, {"id": "1"}) == {"user": {"id": "1", "name": "Grace"}}
        assert await gql.query("{ users { name } }", field="users", model=list[dict[str, str]]) == [
            {"name": "Ada"}, {"name": "Grace"}, {"name": "Edsger"},
        ]  # fmt: skip
        assert await gql.query(USER, {"id": "9"}, model=User | None, field="user") is None
        with pytest.raises(SchemaError, match=r"data\.user"):
            await gql.query(USER, {"id": "9"}, model=User, field="user")


async def test_a_document_that_the_server_refuses_is_its_error(server):
    """Yoga and Apollo say 400 with the media type of GraphQL, Strawberry 200 with data of null."""
    async with Client(server.url) as api:
        with pytest.raises(GraphQLError, match=r"Cannot query field .nope. on type .Query.") as caught:
            await GraphQL(api).query("{ nope }")
    assert caught.value.data is None
    assert caught.value.errors[0]["locations"] == [{"line": 1, "column": 3}]
    assert caught.value.status == (200 if "strawberry" in server.name else 400)
    assert len(caught.value.attempts) == 1


async def test_partial_data_is_kept_in_the_error_and_returned_on_request(server):
    async with Client(server.url) as api:
        gql = GraphQL(api)
        both = 'query Both { user(id: "0") { name } fail }'
        with pytest.raises(GraphQLError, match=r"it failed \(.*fail\)") as caught:
            await gql.query(both)
        assert caught.value.data == {"user": {"name": "Ada"}, "fail": None}
        assert caught.value.errors[0]["path"] == ["fail"]
        result = await gql.query(both, errors="return", model=dict[str, str], field="user")
        assert (result.data, [error["message"] for error in result.errors]) == ({"name": "Ada"}, ["it failed"])
        result = await gql.query("{ failNonNull }", errors="return")
        assert (result.data, len(result.errors)) == (None, 1)


async def test_a_mutation_is_run_once(server):
    async with Client(server.url) as api:
        gql = GraphQL(api, persisted=True, get=True)
        before = await gql.mutate("mutation { count(by: 0) }", field="count", model=int)
        assert await gql.mutate("mutation Count($by: Int) { count(by: $by) }", {"by": 2}, field="count") == before + 2
        with pytest.raises(GraphQLError, match="too late"):
            await gql.mutate("mutation { failAfter }")
        assert await gql.mutate("mutation { count(by: 0) }", field="count") == before + 3
    assert {request["method"] for request in (await seen(server))[-4:]} == {"POST"}


async def test_queries_go_by_get_where_that_is_wanted(server):
    """Apollo refuses a GET without the header that a form can't set."""
    begun = len(await seen(server))
    async with Client(server.url) as api:
        gql = GraphQL(api, get=True)
        assert await gql.query(USER, {"id": "1"}, model=User, field="user") == User(id=1, name="Grace")
        long = f"query Long {{ user(id: 1) {{ name }} # {'x' * 9000}\n }}"
        assert await gql.query(long) == {"user": {"name": "Grace"}}
    assert [request["method"] for request in await seen(server, begun)] == ["GET", "POST"]


@pytest.mark.parametrize("get", [False, True])
async def test_a_hash_stands_for_a_document_where_the_server_knows_it(server, get):
    """The others get the document, and from then on nothing else."""
    begun = len(await seen(server))
    document = f"query ByHash{uuid4().hex}($id: ID!) {{ user(id: $id) {{ id name }} }}"  # new to the server
    async with Client(server.url) as api:
        gql = GraphQL(api, persisted=True, get=get)
        for _ in range(3):
            assert await gql.query(document, {"id": "1"}, model=User, field="user") == User(id=1, name="Grace")
        assert gql.persisted.supported == (server.name in KNOW_HASHES)
    assert len(await seen(server, begun)) == 4  # a miss, and three responses


async def test_a_hash_is_still_sent_after_a_query_that_is_wrong(started):
    server = started("apollo")
    async with Client(server.url) as api:
        gql = GraphQL(api, persisted=True)
        with pytest.raises(GraphQLError, match="nope"):
            await gql.query("query Wrong { nope }")
        assert gql.persisted.supported


async def test_a_batch_is_one_request_where_the_server_takes_it(server):
    operations = [GraphQLOperation(USER, {"id": str(each)}, model=User, field="user") for each in (0, 1)]
    async with Client(server.url) as api:
        gql = GraphQL(api)
        if server.name not in TAKE_BATCHES:
            with pytest.raises(GraphQLError, match=r"takes no batch of operations \(.*[Bb]atching.*\): send them one"):
                await gql.batch(operations)
            return
        begun = len(await seen(server))
        assert await gql.batch(operations) == [User(id=0, name="Ada"), User(id=1, name="Grace")]
        first, second = await gql.batch([*operations[:1], GraphQLOperation("{ fail }")], errors="return")
        assert (first.data, second.errors[0]["message"]) == (User(id=0, name="Ada"), "it failed")
        with pytest.raises(GraphQLError, match="it failed"):
            await gql.batch([*operations, GraphQLOperation("{ fail }")])
        assert len(await seen(server, begun)) == 3
        assert len(await gql.batch(operations * 6)) == 12
        assert len(await seen(server, begun)) == 5


async def test_files_are_uploaded_where_the_server_takes_them(server, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"Ada")
    if "strawberry" in server.name:
        pytest.importorskip("python_multipart")  # without it, Strawberry reads no forms
    upload, uploads = "mutation($file: File!) { upload(file: $file) }", "mutation($f: [File!]!) { uploads(files: $f) }"
    if "strawberry" in server.name:
        upload, uploads = upload.replace("File!", "Upload!"), uploads.replace("File!", "Upload!")
    async with Client(server.url) as api:
        gql = GraphQL(api)
        if "apollo" in server.name:  # graphql-upload would have to be added to it
            with pytest.raises((GraphQLError, StatusError)):
                await gql.mutate(upload, files={"file": path})
            return
        assert await gql.mutate(upload, files={"file": path}, field="upload") == "a.txt: Ada"
        with path.open("rb") as file:
            assert await gql.mutate(upload, {"file": file}, field="upload") == "a.txt: Ada"
        many = {"f": [None, io.BytesIO(b"Grace")]}
        assert await gql.mutate(uploads, many, files={"f.0": b"Ada", "f.1": b"Grace"}, field="uploads") == [
            "Ada", "Grace",
        ]  # fmt: skip


async def test_an_expired_token_is_renewed_and_a_query_sent_again(server):
    tokens = iter(["old", "good", "good"])
    async with Client(server.url, auth=Bearer(lambda: next(tokens))) as api:
        assert await GraphQL(api).query("{ who }", field="who") == "you"
        assert api.stats.attempts == 2


async def test_a_mutation_that_may_have_begun_is_not_sent_again_for_a_token(server):
    tokens = iter(["old", "new", "newer"])
    begun = len(await seen(server))
    async with Client(server.url, auth=Bearer(lambda: next(tokens))) as api:
        with pytest.raises(GraphQLError, match="too late"):
            await GraphQL(api).mutate("mutation { failAfter }")
    assert len(await seen(server, begun)) == 1


async def test_a_code_of_a_limit_pauses_and_sends_again(server):
    async with Client(server.url, retry=2, rate=RateLimit(1000, per=1)) as api:
        with pytest.raises(GraphQLError, match="coded") as caught:
            await GraphQL(api).query('{ coded(code: "RATE_LIMITED", seconds: 0.2) }')
    first, second = caught.value.attempts
    assert first.then == "retried after 0.2 s (Retry-After)"
    assert second.error == "GraphQLError: RATE_LIMITED"


async def test_what_is_wrong_is_said_before_anything_is_sent(server):
    begun = len(await seen(server))
    async with Client(server.url) as api:
        gql = GraphQL(api)
        with pytest.raises(ConfigError, match=r"call mutate\(\)"):
            await gql.query("mutation { count }")
        with pytest.raises(ConfigError, match=r"call subscribe\(\)"):
            await gql.query("subscription { countdown(from: 1) }")
        with pytest.raises(ConfigError, match=r"'A', 'B'.*operation="):
            await gql.query("query A { fail } query B { fail }")
    assert await seen(server, begun) == []


async def test_a_url_that_is_no_endpoint_is_said_so(server):
    async with Client(server.url) as api:
        with pytest.raises(StatusError) as caught:
            await GraphQL(api, "/nowhere").query("{ users { id } }")
    assert caught.value.status in {400, 404, 405}
