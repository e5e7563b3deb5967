"""Base URLs: read without their last slash, and refused where a path can't be joined to them."""

import pytest

from asyncapi.errors import ConfigError
from asyncapi.messages.base_url import base_of, root_of


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("", ""),
        ("https://h/", "https://h"),
        ("https://h/v1/", "https://h/v1"),
        ("http://u:p@h:8080", "http://u:p@h:8080"),
    ],
)
def test_a_base_url_has_no_last_slash(given, base):
    assert base_of(given) == base


@pytest.mark.parametrize("given", ["h", "ftp://h", "https://h?x=1", "https://h#x", "https://h/a/../b", "https://"])
def test_what_is_no_base_url_names_the_setting(given):
    with pytest.raises(ConfigError, match="url of b="):
        base_of(given, "url of b")


@pytest.mark.parametrize(("given", "instead"), [("ws://h", "http://"), ("WSS://h/v1", "https://")])
def test_the_url_of_a_socket_is_no_base_url_and_says_what_to_write(given, instead):
    with pytest.raises(ConfigError, match=f"write {instead}; client.websocket"):
        base_of(given)


def test_the_root_has_the_path_without_the_slash():
    root = root_of("https://h/v1")
    assert (root.text, root.host, root.path, root.secure) == ("https://h/v1", "h", "/v1", True)
