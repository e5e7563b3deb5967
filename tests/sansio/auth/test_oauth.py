"""OAuth 2 without a network: what responses mean, PKCE and metadata by the RFCs' own examples."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.auth.oauth import (
    Refused,
    Token,
    authorization_url,
    challenge,
    metadata_urls,
    missing_scope,
    read_metadata,
    read_redirect,
    read_token,
)

SET_TYPE = ": if this server's tokens are sent as bearer tokens, set token_type='bot'"
NOT_FOLLOWED = ", a redirect: it is not followed, because it would carry the secrets along; use the URL it leads to"


def answer(**fields) -> bytes:
    return json.dumps({"access_token": "a", "token_type": "Bearer", **fields}).encode()


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (answer(expires_in=3600), Token("a", 10.0, 3600.0)),
        (answer(expires_in="3600"), Token("a", 10.0, 3600.0)),  # text, as some send it
        (answer(), Token("a", 10.0, inf)),
        (answer(expires_in="soon"), Token("a", 10.0, inf)),
        (answer(expires_in=-5), Token("a", 10.0, inf)),  # says no more than nothing: a 401 will tell
        (answer(expires_in=0), Token("a", 10.0, inf)),
        (answer(expires_in=None), Token("a", 10.0, inf)),
        (answer(expires_in=3599.5), Token("a", 10.0, 3599.5)),
        (answer(expires_in=True), Token("a", 10.0, inf)),
        (answer(expires_in=10**400), Token("a", 10.0, inf)),
        (answer(expires_in=float("nan")), Token("a", 10.0, inf)),
        (answer(expires_in=[3600]), Token("a", 10.0, inf)),
        (answer(scope=["x", "y"], further={"tenant": 1}), Token("a", 10.0, scope="x y")),
        (answer(token_type=None), Token("a", 10.0)),
        (answer(token_type=""), Token("a", 10.0)),
        (answer(token_type=" BEARER "), Token("a", 10.0)),
        (answer(token_type="BearerToken"), Token("a", 10.0)),
        (answer(error=None), Token("a", 10.0)),
        (answer(error=""), Token("a", 10.0)),
        (b"access_token=a&token_type=bearer&expires_in=3600", Token("a", 10.0, 3600.0)),  # before RFC 6749
        (answer(token_type="bearer", scope="x y"), Token("a", 10.0, scope="x y")),
        (answer(refresh_token="r2", id_token="i"), Token("a", 10.0, refresh_token="r2", id_token="i")),
        (answer(refresh_token=None), Token("a", 10.0)),
    ],
)
def test_a_token(content, token):
    assert read_token(200, content, 10.0) == token


def test_a_response_without_end_is_not_parsed():
    with pytest.raises(Refused, match="200, with 1,048,578 bytes: more than an authorization server sends"):
        read_token(200, b" " * 2**20 + b"{}", 0)


def test_a_refresh_token_stays_where_no_other_comes():
    assert read_token(200, answer(), 0, before="r1").refresh_token == "r1"
    assert read_token(200, answer(refresh_token="r2"), 0, before="r1").refresh_token == "r2"


@pytest.mark.parametrize(
    ("status", "content", "message", "error"),
    [
        (400, b'{"error": "invalid_grant"}', "400 invalid_grant", "invalid_grant"),
        (
            401,
            b'{"error": "invalid_client", "error_description": "who?"}',
            "401 invalid_client: who?",
            "invalid_client",
        ),
        (200, b'{"error": "bad_verification_code"}', "200 bad_verification_code", "bad_verification_code"),  # GitHub's
        (400, b'{"error": "x", "error_description": "a\\nb"}', "400 x: a b", "x"),
        (500, b"oops", "500: oops", ""),
        (500, b"", "500", ""),
        (400, b'{"error": {"code": "invalid_grant", "message": "old"}}', "400 invalid_grant: old", "invalid_grant"),
        (200, b"error=bad_code&error_description=too+old", "200 bad_code: too old", "bad_code"),
        (403, b'{"code": 403, "message": "no"}', "403: no", ""),
        (200, b'{"ok": false, "message": "no"}', "200 without an access_token: no", ""),
        (302, b"<h1>Found</h1>", f"302{NOT_FOLLOWED}", ""),
        (200, b"<html>", "200, but no JSON object in the response: is this the right URL?", ""),
        (
            200,
            b"<h1>Log in</h1>",
            "200, but no JSON object in the response: is this the right URL? It says: Log in",
            "",
        ),
        (200, b"", "200, but no JSON object in the response: is this the right URL?", ""),
        (200, b"[1]", "200, but no JSON object in the response: is this the right URL?", ""),
        (200, b'{"token": "a"}', "200 without an access_token", ""),
        (200, b'{"access_token": ""}', "200 without an access_token", ""),
        (200, b'{"access_token": 3}', "200 without an access_token", ""),
        (
            200,
            answer(token_type="bot"),
            f"a token of type 'bot', but Bearer was requested{SET_TYPE}",
            "",
        ),
        (200, answer(token_type=7), "a token of type '7', but Bearer was requested", ""),
        (200, answer(token_type="mac"), "a token of type 'mac', but Bearer was requested", ""),
        (200, answer(token_type="DPoP"), "a token of type 'DPoP', but Bearer was requested: set dpop=True", ""),
    ],
)
def test_a_refusal(status, content, message, error):
    with pytest.raises(Refused) as caught:
        read_token(status, content, 0)
    assert (caught.value.message, caught.value.error) == (message, error)


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=9) | st.integers(),
        lambda t: (
            st.lists(t) | st.dictionaries(st.sampled_from(["access_token", "error", "token_type", "expires_in"]), t)
        ),
        max_leaves=6,
    ).map(lambda each: json.dumps(each).encode())
)
def test_whatever_comes_is_a_token_or_a_refusal(content):
    with suppress(Refused):
        assert read_token(200, content, 0).access_token


@given(
    st.builds(
        Token,
        st.text(min_size=1),
        st.floats(0, 1e10),
        st.floats(0, 1e6) | st.just(inf),
        st.text(),
        st.text(),
        st.text(),
    )
)
def test_a_token_survives_its_store(token):
    assert Token.load(token.dump()) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"access_token": 3}',
        '{"access_token": "a", "lifetime": "x"}',
        "[" * 100_000,
        '{"access_token": ""}',
        '{"access_token": "a", "issued_at": NaN}',
        '{"access_token": "a", "lifetime": -1}',
        '{"access_token": "a", "refresh_token": null}',
        "\x00",
    ],
)
def test_what_is_no_token_is_none(text):
    assert Token.load(text) is None


def test_a_token_shows_nothing_of_itself():
    assert "canary" not in repr(Token("canary-a", refresh_token="canary-r", id_token="canary-i"))


def test_the_challenge_is_that_of_the_rfc():
    """RFC 7636 appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_authorization_url_keeps_its_query_and_leaves_out_what_is_empty():
    made = authorization_url("https://h/a?tenant=1", {"state": "x y", "scope": ""})
    assert made == "https://h/a?tenant=1&state=x+y"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"code": "c"}, "another state"),
        ({"code": "c", "state": "other"}, "another state"),
        ({"code": "c", "state": "s", "iss": "https://evil"}, "another issuer"),
        ({"state": "s", "error": "access_denied", "error_description": "no"}, "access_denied: no"),
        ({"state": "s"}, "no code"),
    ],
)
def test_a_redirect_that_does_not_belong_to_the_request(query, said):
    with pytest.raises(Refused, match=said):
        read_redirect(query, state="s", issuers=["https://good"])


@pytest.mark.parametrize("announced", [True, False])
def test_a_redirect_brings_the_code(announced):
    query = {"code": "c", "state": "s", "iss": "https://good"}
    assert read_redirect(query, state="s", issuers=["https://good"], announced=announced) == "c"


@pytest.mark.parametrize("query", [{"code": "c", "state": "s"}, {"error": "access_denied", "state": "s"}])
def test_an_issuer_that_always_names_itself_is_not_taken_without(query):
    """RFC 9207 section 2.4."""
    with pytest.raises(Refused, match="names no issuer"):
        read_redirect(query, state="s", issuers=["https://good"], announced=True)


@pytest.mark.parametrize(
    ("called", "kind", "taken"),
    [
        ("bot", "bot", True),
        ("Application Access Token", "application access token", True),
        ("bot", "Bearer", True),
        ("bot", "user", False),
        ("dpop", "DPoP", False),
        ("mac", "mac", False),
    ],
)
def test_what_a_server_calls_its_bearer_tokens_may_be_said(called, kind, taken):
    if taken:
        assert read_token(200, answer(token_type=kind), 0, called=called).access_token == "a"
    else:
        with pytest.raises(Refused, match="a token of type"):
            read_token(200, answer(token_type=kind), 0, called=called)


@pytest.mark.parametrize("kind", [None, "", "Bearer"])
def test_a_token_that_was_to_be_bound_is_not_taken_unbound(kind):
    with pytest.raises(Refused, match="but DPoP was requested: the server does not bind tokens to keys"):
        read_token(200, answer(token_type=kind), 0, kind="DPoP")


def test_what_is_missing_of_a_scope():
    assert missing_scope("read write", "read") == ["write"]
    assert missing_scope("repo user", "repo,user") == []
    assert missing_scope("read write", "") == []  # not told: as asked


def test_where_metadata_may_be():
    assert metadata_urls("https://h/tenant/")[:2] == [
        "https://h/.well-known/oauth-authorization-server/tenant",
        "https://h/tenant/.well-known/openid-configuration",
    ]
    assert metadata_urls("https://h") == [
        "https://h/.well-known/oauth-authorization-server",
        "https://h/.well-known/openid-configuration",
    ]


def test_metadata_of_another_issuer_are_refused():
    good = json.dumps({"issuer": "https://h/", "token_endpoint": "https://h/t", "scopes_supported": ["a"]}).encode()
    assert read_metadata(200, good, "https://h") == {"issuer": "https://h/", "token_endpoint": "https://h/t"}
    with pytest.raises(Refused, match="another issuer"):
        read_metadata(200, good, "https://evil")
    with pytest.raises(Refused, match="another issuer"):
        read_metadata(200, b'{"token_endpoint": "https://h/t"}', "https://h")


def test_what_an_issuer_supports_is_read():
    announced = "authorization_response_iss_parameter_supported"
    for value, told in ((True, "true"), ("true", "true"), (False, None), (1, None)):
        content = json.dumps({"issuer": "https://h", announced: value}).encode()
        assert read_metadata(200, content, "https://h").get(announced) == told
