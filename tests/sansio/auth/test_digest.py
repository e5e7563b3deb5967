"""Digest by the RFC's own examples, and challenges in every form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.auth.digest import Challenge, answer, read, read_nextnonce

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def response_of(value: str) -> str:
    return re.search(r'response="(\w+)"', value)[1]


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm, response):
    """Section 3.9.1."""
    header = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f'algorithm={algorithm}, nonce="{NONCE}", opaque="{OPAQUE}"'
    )
    value = answer(
        read([header]), "Mufasa", "Circle of Life", method="GET", uri="/dir/index.html", cnonce=CNONCE, count=1
    )
    assert response_of(value) == response
    assert value.startswith('Digest username="Mufasa", realm="http-auth@example.org", ')
    for part in (
        f'nonce="{NONCE}"',
        f'opaque="{OPAQUE}"',
        f'cnonce="{CNONCE}"',
        "qop=auth",
        "nc=00000001",
        f"algorithm={algorithm}",
    ):
        assert part in value


def test_the_example_with_sha_512_256_and_a_hashed_user():
    """Section 3.9.2, with the response as corrected by erratum 4897."""
    challenge = Challenge("api@example.org", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "SHA-512-256", "HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", "auth", userhash=True)  # fmt: skip
    value = answer(challenge, "Jäsøn Doe", "Secret, or not?", method="GET", uri="/doe.json", cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", count=1)  # fmt: skip
    assert "userhash=true" in value
    assert re.search(r'username="([0-9a-f]{64})"', value)
    assert response_of(value) == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_the_example_of_rfc_2617():
    """Section 3.5."""
    header = 'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    value = answer(
        read([header]), "Mufasa", "Circle Of Life", method="GET", uri="/dir/index.html", cnonce="0a4f113b", count=1
    )
    assert response_of(value) == "6629fae49393a05397450978507c4ef1"


def test_the_old_form_has_no_count():
    value = answer(read(['Digest realm="r", nonce="n"']), "u", "p", method="GET", uri="/", cnonce="c", count=1)
    assert "qop" not in value
    assert "nc=" not in value
    assert "cnonce" not in value


def test_auth_int_covers_the_body_and_sess_the_session():
    made = {
        (algorithm, qop, body): response_of(answer(Challenge("r", "n", algorithm, qop=qop), "u", "p", method="POST", uri="/", cnonce="c", count=1, body=body))
        for algorithm in ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess")
        for qop in ("auth", "auth-int")
        for body in (b"a", b"b")
    }  # fmt: skip
    for (algorithm, qop, body), response in made.items():
        other = made[algorithm, qop, b"b" if body == b"a" else b"a"]
        assert (response == other) is (qop == "auth")
    assert made["MD5", "auth", b"a"] != made["MD5-sess", "auth", b"a"]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['Basic realm="x"'], None),
        (["Digest"], None),
        (['Digest realm="x"'], None),
        (['Digest realm="x", nonce="n", algorithm=SHA-999'], None),
        (['Digest realm="x", nonce="n", qop="auth-conf"'], None),
        ([], None),
        (['Digest realm="a \\"b\\"", nonce="n"'], Challenge('a "b"', "n")),
        (
            ['digest NONCE = "n" , Realm="x", stale=TRUE, qop="auth-int"'],
            Challenge("x", "n", qop="auth-int", stale=True),
        ),
        (['Digest realm="x", nonce=n, algorithm="md5"'], Challenge("x", "n", "md5")),
        (['Basic realm="b, nonce=x", Digest realm="x", nonce="n", Bearer'], Challenge("x", "n")),
        (['Negotiate abc==, Digest realm="x", nonce="n"'], Challenge("x", "n")),
        (
            ['Digest realm="x", nonce="1", Digest realm="x", nonce="2", algorithm=SHA-256'],
            Challenge("x", "2", "SHA-256"),
        ),
        (
            ['Digest realm="x", nonce="1"', 'Digest realm="x", nonce="2", algorithm=SHA-512-256'],
            Challenge("x", "2", "SHA-512-256"),
        ),
        (['Digest realm="x", nonce="n", opaque="", userhash=true'], Challenge("x", "n", opaque="", userhash=True)),
    ],
)
def test_challenges(headers, found):
    assert read(headers) == found


@given(st.lists(st.text(max_size=60) | st.text(alphabet='Digest realm="x",nonce= \\', max_size=60), max_size=3))
def test_no_header_breaks_the_reader(headers):
    assert read(headers) is None or read(headers).nonce is not None


def test_a_user_beyond_ascii_is_written_by_rfc_8187():
    value = answer(Challenge("r", "n"), "Jä", "p", method="GET", uri="/", cnonce="c", count=1)
    assert value.startswith("Digest username*=UTF-8''J%C3%A4, ")


@pytest.mark.parametrize(
    ("header", "nonce"),
    [('nextnonce="n2", qop=auth, rspauth="x"', "n2"), ("qop=auth", ""), ("", ""), ('nc=00000001, nextnonce="a"', "a")],
)
def test_the_next_nonce(header, nonce):
    assert read_nextnonce(header) == nonce
