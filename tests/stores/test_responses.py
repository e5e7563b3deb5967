"""What a cache needs of a store."""

from __future__ import annotations

import pytest

from asyncapi import Cache, ConfigError, RedisStore, SQLiteStore
from asyncapi.stores import CacheStore, FileStore, MemoryStore

KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE="


def test_both_stores_are_cache_stores():
    assert isinstance(SQLiteStore("x"), CacheStore)
    assert isinstance(RedisStore("redis://h", key=KEY), CacheStore)
    assert not isinstance(MemoryStore(), CacheStore)


@pytest.mark.parametrize("store", [MemoryStore(), FileStore("x"), "path", 3])
def test_a_store_that_can_not_keep_responses_is_refused_at_once(store):
    with pytest.raises(ConfigError, match=r"give SQLiteStore\(path\)"):
        Cache(store=store)


@pytest.mark.parametrize("bound", [0, -1, 1000, "1", 1.5])
def test_a_bound_that_is_none_is_refused_at_once(bound):
    for make in (lambda: SQLiteStore("x", max_bytes=bound), lambda: RedisStore("redis://h", key=KEY, max_bytes=bound)):
        with pytest.raises(ConfigError, match="max_bytes"):
            make()


def test_the_settings_name_the_store_and_no_key():
    text = Cache(store=RedisStore("redis://u:pw@h", key=KEY)).describe()
    assert "RedisStore" in text
    assert "pw" not in text
    assert KEY not in text
