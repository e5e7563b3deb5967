"""The public settings objects, one file a concern."""

from asyncapi.config.core import TLS, Budget, RateLimit, Retry, Timeout

__all__ = ["TLS", "Budget", "RateLimit", "Retry", "Timeout"]
