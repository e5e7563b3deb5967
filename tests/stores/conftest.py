"""A real Redis for these tests."""

from redis_server import redis

__all__ = ["redis"]
