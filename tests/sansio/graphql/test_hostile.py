"""Whatever a server sends, a query ends with a value or an error of this package, and a mutation is sent once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import AsyncAPIError, Client, GraphQL, GraphQLOperation
from asyncapi.testing import FakeClock, MockTransport, reply, run

KEYS = st.sampled_from(
    [
        "data",
        "errors",
        "extensions",
        "message",
        "code",
        "path",
        "a",
        "cost",
        "throttleStatus",
        "retryAfter",
        "resetAt",
        "type",
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["THROTTLED", "UNAUTHENTICATED", "SERVICE_UNAVAILABLE", "PersistedQueryNotFound", "1e999"]),
)  # fmt: skip
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
RESULTS = st.dictionaries(st.sampled_from(["data", "errors", "extensions"]), JSON, min_size=1)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    RESULTS.map(lambda value: json.dumps(value).encode()),
    st.lists(RESULTS, max_size=3).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=20),
    st.binary(max_size=5).map(lambda tail: b'{"errors": [' + tail),
)
STATUSES = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 404, 414, 429, 500, 503])
KINDS = st.sampled_from(
    [
        "application/json",
        "application/graphql-response+json; charset=utf-8",
        "text/html",
        "",
        "application/json;charset=x",
    ]
)


async def ended(call):
    """Nothing but an error of this package comes out of it, with a text of one line."""
    error = None
    try:
        await call
    except AsyncAPIError as raised:
        error = raised
    assert error is None or (str(error) and "\n" not in str(error))


@given(BODIES, STATUSES, KINDS, st.sampled_from([None, int, dict[str, int]]), st.sampled_from([None, "a", "a.b"]))
def test_a_response_is_a_value_or_an_error_of_ours(content, status, kind, model, field):
    sent = []

    def handler(request):
        sent.append(request)
        return reply(status, content=content, headers={"Content-Type": kind} if kind else {})

    async def scenario():
        transport = MockTransport(handler)
        async with Client("https://h", transport=transport, retry=2, clock=FakeClock(), redirects=0) as api:
            gql = GraphQL(api, persisted=True, get=True)
            for errors in ("raise", "return"):
                await ended(gql.query("{ a }", model=model, field=field, errors=errors))
                await ended(gql.batch([GraphQLOperation("{ a }", model=model, field=field)], errors=errors))
            sent.clear()
            await ended(gql.mutate("mutation { a }", model=model, field=field))
            may_be_resent = status == 429 or (b"data" not in content and b"THROTTLED" in content)
            assert len(sent) == 1 or may_be_resent

    run(scenario())


@pytest.mark.parametrize("piece", ["[", '{"errors":', '{"data":{"a":', '{"errors":[{"extensions":'])
def test_deep_nesting_is_an_error_and_no_crash(piece):
    content = (piece * 100_000).encode()

    async def scenario():
        async with Client("https://h", transport=MockTransport(lambda _: reply(content=content)), retry=None) as api:
            with pytest.raises(AsyncAPIError):
                await GraphQL(api).query("{ a }")

    run(scenario())
