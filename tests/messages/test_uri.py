"""The text of URLs: what is valid is never changed, what is forbidden is encoded, references mean what RFC 3986 says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asyncapi.messages import uri

BASE = "http://a/b/c/d;p?q"
VALID = st.text("aZ09-._~!$&'()*+,;=:@/?%") | st.text(st.characters(codec="utf-8"))
SEGMENT = st.sampled_from(["", ".", "..", "a", "b;x", "%2e", "..."])

# --- encoding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "https://h",
        "https://h/",
        "https://h/x?sig=a%2Fb%2Bc%3D%3D",
        "https://h/x?u=https%3A%2F%2Fh%2F%3Fa%40b&e=@:/?",
        "https://h/%2f%2F%7e%41?%2f+%20&&a==b&",
        "https://h/a+b,c;d=e!$&'()*:@//x//",
        "https://h/x?",
        "https://h/x?#top",
        "https://h/a/../b/./%2e%2E/c",
        "https://h/x#%2f?/",
        "https://us%20er:p%40w@h/",
        "http://[::1]:8080/x",
        "http://[fe80::1%25eth0]/x",
        "/x?a=%2f",
        "?a=%2f",
        "",
    ],
)
def test_valid_text_stays_to_the_letter(text):
    assert uri.encode(text) == text
    assert str(uri.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/é?é#é", "http://h/%C3%A9?%C3%A9#%C3%A9"),
        ("http://h/\u0645\u06cc\u200c\u062e\u0648", "http://h/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88"),
        ("http://h/\U0001f468\u200d\U0001f469", "http://h/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9"),
        ("http://h/\xa0\xad\u3000", "http://h/%C2%A0%C2%AD%E3%80%80"),
        ("http://h/%zz%4%", "http://h/%25zz%254%25"),
        ("http://h/%é%41", "http://h/%25%C3%A9%41"),
        ('http://h/[{"<\\^`|>}]?[a]=b', "http://h/%5B%7B%22%3C%5C%5E%60%7C%3E%7D%5D?%5Ba%5D=b"),
        ("http://h/x?a b#c#d", "http://h/x?a%20b#c%23d"),
        ("http://ü:p@ä@h/", "http://%C3%BC:p%40%C3%A4@h/"),
        ("/caf\udce9/\udcc3\udca9", "/caf%E9/%C3%A9"),  # bytes that a header's text keeps as lone surrogates
        ("/a\r\nb\x00", "/a%0D%0Ab%00"),
    ],
)
def test_what_is_forbidden_is_encoded_and_nothing_else(text, encoded):
    assert uri.encode(text) == encoded
    assert str(uri.parse(text)) == encoded


@given(VALID)
def test_encoding_twice_is_encoding_once(text):
    once = uri.encode(f"/-{text}")  # after "//" it would be a host, which is no signed text
    assert uri.encode(once) == once
    assert once.isascii()
    assert re.fullmatch(r"(?:[!$&'()*+,;=:@/?#A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*", once)


@given(VALID)
def test_valid_characters_and_codes_keep_their_places(text):
    kept = re.sub(r"%(?![0-9A-Fa-f]{2})|[^!$&'()*+,;=:@/?#A-Za-z0-9._~%-]", "", text.replace("#", ""))
    kept = re.sub(r"%(?![0-9A-Fa-f]{2})", "", kept)
    assert uri.encode(f"/-{kept}") == f"/-{kept}"  # after "//" it would be a host


@given(VALID)
def test_an_object_keeps_the_text(text):
    encoded = uri.encode(f"https://h/{text.replace('#', '')}")
    url = uri.parse(encoded)
    assert str(url) == encoded
    assert f"https://h{url.raw_path_qs}" == encoded


@given(st.text("ab/.%2eE?#:@+ é[]0\\", max_size=12))
def test_the_fast_look_and_the_slow_one_agree(text):
    whole = f"http://h.example:80{text if text[:1] in {'/', '?', '#'} else '/' + text}"
    slow = uri._made(uri._encoded(uri.split(whole)))
    assert uri.parse.__wrapped__(whole) == slow
    assert uri.parse.__wrapped__(whole).raw_path_qs == slow.raw_path_qs


@pytest.mark.parametrize("text", ["http://h:99999/", "http://h:x/", "http://[::1/", "http://h\xad/", "http://h h/"])
def test_what_can_be_no_host_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        uri.parse(text)


def test_a_lone_surrogate_that_is_no_byte_is_refused():
    with pytest.raises(ValueError, match="surrogates"):
        uri.encode("/\ud83d")


def test_the_host_alone_is_written_anew():
    assert str(uri.parse("HTTPS://Bücher.Example:8443/Ü?A=%aB")) == "https://xn--bcher-kva.example:8443/%C3%9C?A=%aB"


# --- references ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        # RFC 3986 section 5.4.1
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        # section 5.4.2
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"),
        ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("http:g", "http:g"),
        # an empty query is one
        ("?", "http://a/b/c/d;p?"),
        ("http://x/a/../b", "http://x/b"),
        ("%2e%2e/g%2F", "http://a/b/c/%2e%2e/g%2F"),
    ],
)
def test_references_mean_what_the_rfc_says(reference, target):
    assert uri.resolve(BASE, reference) == target


@pytest.mark.parametrize(
    ("base", "reference", "target"),
    [
        ("http://h", "g", "http://h/g"),
        ("http://h?q", "?y", "http://h?y"),
        ("http://u:p@h/x", "y", "http://u:p@h/y"),
        ("http://h/a%2Fb/c?q=%2f", "d?%2f", "http://h/a%2Fb/d?%2f"),
        ("http://h/x#top", "#", "http://h/x#"),
    ],
)
def test_a_base_of_any_kind(base, reference, target):
    assert uri.resolve(base, reference) == target


def by_the_book(path: str) -> str:
    """Section 5.2.4, step by step."""
    given, made = path, ""
    while given:
        if given.startswith(("../", "./")):
            given = given[given.index("/") + 1 :]
        elif given.startswith("/./") or given == "/.":
            given = "/" + given[3:]
        elif given.startswith("/../") or given == "/..":
            given = "/" + given[4:]
            made = made[: made.rfind("/")] if "/" in made else ""
        elif given in {".", ".."}:
            given = ""
        else:
            end = given.find("/", 1)
            end = len(given) if end < 0 else end
            made, given = made + given[:end], given[end:]
    return made


@given(st.lists(SEGMENT, max_size=9).map("/".join))
def test_dot_segments_are_removed_as_by_the_book(path):
    assert uri.remove_dot_segments(path) == by_the_book(path)


@pytest.mark.parametrize("path", ["/a/../b", "/.", "..", "./a", "/%2e%2E/b", "/.%2e", "/%2e?q", "/a/..#x", "a/.."])
def test_dot_segments_are_seen(path):
    assert uri.has_dot_segments(path)


@pytest.mark.parametrize("path", ["/a.b", "/...", "/.a", "/a..", "/%2f", "/x?/../", "/x#/./", "", "/%2ea", "/%252e"])
def test_what_only_looks_like_one_is_none(path):
    assert not uri.has_dot_segments(path)


def test_a_server_s_reference_is_joined_verbatim():
    here = uri.parse("https://h/a/b?x=%2f")
    assert str(uri.join(here, " c?sig=%2F%2b+ \n")) == "https://h/a/c?sig=%2F%2b+"
    assert str(uri.join(here, "?")) == "https://h/a/b?"


# --- queries ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), min_size=1))
def test_pairs_are_written_as_yarl_writes_them(pairs):
    assert uri.query_of(pairs) == URL("http://h/").extend_query(pairs).raw_query_string


@pytest.mark.parametrize(
    ("query", "pairs", "made"),
    [
        ("", [("a", "1")], "a=1"),
        ("x=%2f&page=1&y=%2B", [("page", "2")], "x=%2f&page=2&y=%2B"),
        ("page=1&x&page=2&", [("page", "3")], "page=3&x&"),
        ("%70age=1", [("page", "2"), ("page", "3")], "page=2&page=3"),
        ("a+b=1", [("a b", "2")], "a+b=2"),
        ("x=1", [("y", "é/&")], "x=1&y=%C3%A9/%26"),
    ],
)
def test_pairs_are_replaced_and_the_rest_stays(query, pairs, made):
    assert uri.replace_pairs(query, pairs) == made


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://h/x?sig=%2f%2B", "https://h/x?sig=%2f%2B&k=v"),
        ("https://h/x?", "https://h/x?k=v"),
        ("https://h/x?a&", "https://h/x?a&k=v"),
        ("https://h/x#f", "https://h/x?k=v#f"),
    ],
)
def test_pairs_are_added_and_the_rest_stays(url, made):
    assert str(uri.with_pairs(uri.parse(url), [("k", "v")])) == made


def test_user_info_is_handed_on_verbatim():
    there = uri.with_user_info(uri.parse("https://h:1/x?a=%2f"), uri.parse("https://us%2fer:%E9@h:1/"))
    assert str(there) == "https://us%2fer:%E9@h:1/x?a=%2f"
