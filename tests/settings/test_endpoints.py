"""Endpoints: what is taken, and the one clear error that any mistake gets before anything is sent."""

from __future__ import annotations

import importlib.util

import pytest
from yarl import URL

from asyncapi import Client, ConfigError, Endpoint, Endpoints
from asyncapi.testing import MockTransport, reply


def client(**settings):
    return Client(transport=MockTransport(lambda _: reply(200)), **settings)


@pytest.mark.parametrize(
    ("endpoints", "says"),
    [
        ([], "at least one"),
        ("https://a", "give a list"),
        (URL("https://a"), "give a list"),
        (Endpoint("https://a"), "give a list"),
        (7, "give a list"),
        (["https://a", 7], "int is no endpoint"),
        (["https://a", "https://a/"], "twice"),
        (["https://a", "https://A:443"], "twice"),
        (["https://a", "http://b"], "unencrypted"),
        (["https://a", "b"], "absolute URL"),
        (["https://a", ""], "absolute URL"),
        (["https://a", "https://b?x=1"], "query or fragment"),
    ],
)
def test_a_wrong_list_is_refused(endpoints, says):
    with pytest.raises(ConfigError, match=says):
        client(endpoints=endpoints)


def test_a_base_url_beside_them_is_refused():
    with pytest.raises(ConfigError, match="one of the two"):
        client(base_url="https://a", endpoints=["https://b", "https://c"])


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "x"])
def test_a_weight_is_a_number_above_zero(weight):
    with pytest.raises(ConfigError, match="weight"):
        Endpoint("https://a", weight=weight)


def test_a_zone_without_endpoints_is_refused():
    with pytest.raises(ConfigError, match="no endpoint is in that zone"):
        Endpoints(["https://a", "https://b"], zone="eu")


@pytest.mark.parametrize("name", ["", "https://api.example", "a b", "_api._tcp.example/v1"])
def test_an_srv_name_is_a_name(name):
    with pytest.raises(ConfigError):
        Endpoints.srv(name)


@pytest.mark.parametrize("path", ["v1", "/a/../b", "/a?x=1"])
def test_an_srv_path_is_a_path(path):
    with pytest.raises(ConfigError, match="path"):
        Endpoints.srv("_api._tcp.example", path=path)


def test_srv_records_without_their_package_say_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[srv\]"):
        client(endpoints=Endpoints.srv("_api._tcp.example"))


def test_srv_endpoints_are_https_unless_said_otherwise():
    assert Endpoints.srv("_api._tcp.Example.").base == "https://_api._tcp.example"
    assert Endpoints.srv("_api._tcp.example", scheme="http").base == "http://_api._tcp.example"


def test_one_endpoint_is_a_base_url_and_no_layer(capsys):
    one, plain = client(endpoints=["https://a/v1"]), client(base_url="https://a/v1")
    assert one.base_url == plain.base_url
    assert one.explain() == plain.explain()
    assert one.stats.endpoints == {}


def test_secrets_in_endpoints_are_masked(capsys):
    api = client(endpoints=["https://u:hush@a", "https://b"])
    assert "hush" not in api.explain() + repr(api) + repr(Endpoint("https://u:hush@a")) + repr(api.stats)


def test_a_list_may_hold_urls_and_endpoints(capsys):
    text = client(endpoints=["https://a", URL("https://b"), Endpoint("https://c", zone="eu-1", weight=2)]).explain()
    assert "balance" in text
    assert "https://a, https://b, https://c" in text
