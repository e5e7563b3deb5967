"""Operations that have a server of their own are called there, with the client's credential."""

from __future__ import annotations

import pytest

from asyncapi import Client
from asyncapi.openapi.elsewhere import server_of
from asyncapi.testing import MockTransport, run
from written_clients import OK, Wire, document, written


def uploading(*urls, schemes=None, **more):
    upload = {"operationId": "upload", "responses": OK, "servers": [{"url": url} for url in urls]}
    paths = {"/files/{id}": {"get": upload}, "/x": {"get": {"operationId": "call", "responses": OK}}}
    return document(
        paths,
        None,
        components={"securitySchemes": schemes or {}},
        security=[{name: []} for name in schemes or {}],
        **more,
    )


@pytest.mark.parametrize(
    ("urls", "found"),
    [
        (["https://up.test/v2/"], "https://up.test/v2"), (["/other"], "https://shop.test/other"), ([], ""),
        (["https://shop.test/v1"], ""), (["https://up.test", "https://shop.test/v1/"], ""), (["https://{x}.test"], ""),
    ],
)  # fmt: skip
def test_a_server_counts_where_the_document_has_another(urls, found):
    made = uploading(*urls)
    assert server_of(made.operations[0], made) == found


def test_the_client_calls_it_there_with_its_credential():
    made = written(uploading("https://up.test", schemes={"key": {"type": "http", "scheme": "bearer"}}))
    wire = Wire()

    async def call():
        async with made.Shop.with_key("t") as shop:
            await shop.upload("a")
            await shop.call()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "Client", lambda base, **more: Client(base, transport=MockTransport(wire), **more))
        run(call())
    assert [str(one.url) for one in wire.requests] == ["https://up.test/files/a", "https://shop.test/v1/x"]
    assert [one.headers["Authorization"] for one in wire.requests] == ["Bearer t"] * 2
