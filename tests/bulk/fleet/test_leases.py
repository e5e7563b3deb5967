"""Leases come from Redis where there is one, and else from locks on files."""

import pytest

from asyncapi import Redis
from asyncapi.bulk.fleet.file_leases import FileLeases
from asyncapi.bulk.fleet.leases import leases_of
from asyncapi.bulk.fleet.redis_leases import RedisLeases
from asyncapi.errors import ConfigError


async def test_leases_come_from_redis_or_from_files(tmp_path):
    assert isinstance(leases_of(None, str(tmp_path), "a"), FileLeases)
    from_redis = leases_of(Redis("redis://127.0.0.1:1"), str(tmp_path), "a")
    assert isinstance(from_redis, RedisLeases)
    await from_redis.aclose()


def test_an_object_store_has_no_locks():
    with pytest.raises(ConfigError, match="give --shared redis://"):
        leases_of(None, "s3://bucket/out.parts", "a")
