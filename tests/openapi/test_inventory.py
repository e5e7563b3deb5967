"""Servers, tags, security and operations are listed as the document has them."""

from __future__ import annotations

import pytest

from asyncapi.openapi import inventory


@pytest.mark.parametrize(
    ("raw", "urls"),
    [
        ([{"url": "https://{r}.h.example/{v}", "variables": {"r": {"default": "eu"}, "v": {"enum": ["v1", "v2"]}}}],
         ["https://eu.h.example/v1"]),
        ([{"url": "/"}, {"url": 7}, "x", {}], ["/"]),
        ([{"url": "https://{unknown}/"}], ["https://{unknown}/"]),
        ([{"url": "https://h", "variables": []}], ["https://h"]),
        (None, []),
        ({}, []),
    ],
)  # fmt: skip
def test_servers_have_the_defaults_of_their_variables(raw, urls):
    assert [each.url for each in inventory.servers(raw)] == urls


def test_security_is_what_any_one_of_its_parts_needs():
    assert inventory.security_of([{"a": ["s"], "b": []}, {}]) == ({"a": ("s",), "b": ()}, {})
    assert inventory.security_of([]) == inventory.security_of("x") == ()


def test_an_operation_may_need_less_than_the_document():
    responses = {"responses": {}}
    plain = {"security": [{"a": []}], "servers": [], "paths": {"/x": {
        "servers": [{"url": "https://item"}], "get": responses, "put": {**responses, "security": [], "servers": [{"url": "https://own"}]},
        "summary": "s", "additionalOperations": {"LINK": responses}}}}  # fmt: skip
    get, put, link = inventory.operations(plain)
    assert (get.security, put.security) == (({"a": ()},), ())
    assert (get.servers[0].url, put.servers[0].url) == ("https://item", "https://own")
    assert (link.method, link.where) == ("LINK", "#/paths/~1x/additionalOperations/LINK")


def test_tags_and_schemes_take_what_is_there():
    assert [(each.name, each.description) for each in inventory.tags([{"name": "a"}, "b", {"name": "c", "description": "d"}])] == [
        ("a", ""), ("c", "d"),
    ]  # fmt: skip
    scheme = inventory.schemes({"b": {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"}})["b"]
    assert (scheme.kind, scheme.scheme, scheme.bearer_format) == ("http", "bearer", "JWT")
