"""A security scheme is a way to make the client; operations that differ say so."""

from __future__ import annotations

import pytest

from asyncapi import Basic, Client
from asyncapi.openapi.generating import generate
from asyncapi.testing import MockTransport, run
from written_clients import OK, Wire, document, imported, written

FLOW = {"tokenUrl": "https://shop.test/token", "authorizationUrl": "https://shop.test/login", "scopes": {"read": "r"}}


def secured(schemes, security=None, own=None, **more):
    operation = {"operationId": "call", "responses": OK, **({} if own is None else {"security": own})}
    other = {"operationId": "other", "responses": OK}
    return document(
        {"/x": {"get": operation}, "/y": {"get": other}},
        None,
        components={"securitySchemes": schemes},
        security=security or [{name: []} for name in schemes],
        **more,
    )


def test_an_operation_that_says_nothing_of_credentials_gets_the_clients():
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
    needs = {"operationId": "needs", "responses": OK, "security": [{"key": []}]}
    paths = {"/x": {"get": needs}, "/y": {"get": {"operationId": "says_nothing", "responses": OK}}}
    assert "auth=None" not in generate(document(paths, None, components={"securitySchemes": schemes}))


@pytest.mark.parametrize(
    ("scheme", "call", "header"),
    [
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, lambda shop: shop.with_key("v"), ("X-Key", "v")),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, lambda shop: shop.with_key("v"), ("Cookie", "sid=v")),
        ({"type": "http", "scheme": "bearer"}, lambda shop: shop.with_key("v"), ("Authorization", "Bearer v")),
        ({"type": "http", "scheme": "Basic"}, lambda shop: shop.with_key("u", "p"), ("Authorization", "Basic dTpw")),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://x.test"}, lambda shop: shop.with_key("v"), ("Authorization", "Bearer v")),
        ({"type": "oauth2", "flows": {"implicit": FLOW}}, lambda shop: shop.with_key("v"), ("Authorization", "Bearer v")),
    ],
)  # fmt: skip
def test_a_scheme_makes_a_client_that_sends_it(scheme, call, header, monkeypatch):
    made = written(secured({"key": scheme}))
    wire = Wire()
    monkeypatch.setattr(made, "Client", lambda base, **more: Client(base, transport=MockTransport(wire), **more))
    monkeypatch.setattr(made.Shop, "__init__", lambda self, client: setattr(self, "client", client))

    async def main():
        async with call(made.Shop) as shop:
            await shop.call()

    run(main())
    assert wire.last.headers[header[0]] == header[1]


def test_the_flows_of_oauth_have_their_own_ways():
    source = generate(
        secured({"login": {"type": "oauth2", "flows": {"clientCredentials": FLOW, "authorizationCode": FLOW}}})
    )
    assert "OAuth2ClientCredentials(" in source
    assert "OAuth2AuthorizationCode(" in source
    assert "Scopes: read." in source


def test_a_public_operation_sends_no_credential():
    made = written(secured({"key": {"type": "http", "scheme": "bearer"}}, own=[]))
    wire = Wire()

    async def main():
        async with made.Shop(wire.client(auth=Basic("u", "p"))) as shop:
            await shop.call()
            await shop.other()

    run(main())
    assert ["Authorization" in one.headers for one in wire.requests] == [False, True]
    assert "Needs no credential" in made.Shop.call.__doc__


def test_an_operation_of_another_scheme_takes_its_credential():
    schemes = {"key": {"type": "http", "scheme": "bearer"}, "admin": {"type": "http", "scheme": "basic"}}
    made = written(secured(schemes, [{"key": []}], own=[{"admin": []}]))
    wire = Wire()
    run(made.Shop(wire.client()).call(auth=Basic("u", "p")))
    assert wire.last.headers["Authorization"] == "Basic dTpw"
    assert "Authentication: admin." in made.Shop.call.__doc__


def test_schemes_that_are_needed_together_make_one_client():
    schemes = {
        "appId": {"type": "apiKey", "in": "header", "name": "X-App-Id"},
        "appKey": {"type": "apiKey", "in": "query", "name": "key"},
        "user": {"type": "http", "scheme": "basic"},
    }
    made = secured(schemes, [{"appId": [], "appKey": []}, {"user": []}])
    source = generate(made)
    assert [name for name in ("with_app_id_and_app_key", "with_app_id(", "with_app_key(", "with_user(") if name in source] == [
        "with_app_id_and_app_key", "with_user(",
    ]  # fmt: skip
    module = imported(source)
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Client", lambda base, **more: Client(base, transport=MockTransport(wire), **more))
        run(module.Shop.with_app_id_and_app_key("i", "k").call())
    assert (wire.last.headers["X-App-Id"], wire.last.url.query["key"]) == ("i", "k")


def test_a_scheme_that_also_suffices_alone_keeps_its_own_way():
    schemes = {"a": {"type": "http", "scheme": "bearer"}, "b": {"type": "apiKey", "in": "header", "name": "X-B"}}
    source = generate(secured(schemes, [{"a": [], "b": []}, {"a": []}]))
    assert [name for name in ("with_a_and_b", "with_a(", "with_b(") if name in source] == ["with_a_and_b", "with_a("]
