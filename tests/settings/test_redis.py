"""The settings of a shared limit: wrong ones are told at once, and no password is ever shown."""

import pickle

import pytest

from asyncapi import ConfigError, Redis

SECRET = "opensesame"


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:7000/2",
        f"redis://ann:{SECRET}@h",
        f"rediss://:{SECRET}@h:6380",
        "unix:///run/redis.sock",
    ],
)
def test_urls_of_servers_are_taken(url):
    assert Redis(url).url == url


@pytest.mark.parametrize(
    "url", ["", "h:6379", f"http://ann:{SECRET}@h", "redis://", f"redis://:{SECRET}@h:port", "unix://", f"{SECRET}@h"]
)
def test_other_urls_are_refused_without_showing_a_password(url):
    with pytest.raises(ConfigError, match=r"give redis://host:6379/0, rediss:// for TLS, or unix://") as raised:
        Redis(url)
    assert SECRET not in str(raised.value)


def test_a_repr_shows_no_user_and_no_password():
    shown = repr(Redis(f"redis://ann:{SECRET}@h:7000?password={SECRET}", name="orders", workers=4))
    assert shown == "Redis('redis://***@h:7000', name='orders', workers=4)"


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "many"])
def test_workers_are_a_number_of_processes(workers):
    with pytest.raises(ConfigError, match="workers"):
        Redis("redis://h", workers=workers)


@pytest.mark.parametrize("name", ["", "a{b", "a}b"])
def test_a_name_may_be_part_of_a_key(name):
    with pytest.raises(ConfigError, match="name"):
        Redis("redis://h", name=name)


def test_settings_go_to_other_processes():
    assert pickle.loads(pickle.dumps(Redis("redis://h", name="x", workers=2))) == Redis(
        "redis://h", name="x", workers=2
    )
