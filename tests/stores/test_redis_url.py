"""URLs of servers: what is no such URL is refused, and no password is shown."""

import pytest

from asyncapi.errors import ConfigError
from asyncapi.stores.redis_url import check_url, shown_url


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@[::1]:6380/3", "unix:///run/redis.sock?db=2"])
def test_a_servers_url_is_returned_as_it_is(url):
    assert check_url(url) == url


@pytest.mark.parametrize("url", ["h", "http://u:secret@h", "u:secret@h", "redis://u:secret@h:port", "redis://"])
def test_any_other_is_refused_and_not_shown_whole(url):
    with pytest.raises(ConfigError, match="give redis://host") as raised:
        check_url(url)
    assert "secret" not in str(raised.value)


def test_a_database_has_a_number():
    assert check_url("redis://h/2/") == "redis://h/2/"
    with pytest.raises(ConfigError, match="number of a database") as raised:
        check_url("redis://u:secret@h/orders")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:secret@h:1/2?password=secret", "redis://***@h:1/2"),
        ("redis://h", "redis://h"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    assert shown_url(url) == shown
