"""The public settings objects, one file a concern."""

from asyncapi.config.core import TLS, Budget, RateLimit, Retry, Timeout
from asyncapi.config.fallback import Fallback

__all__ = ["TLS", "Budget", "Fallback", "RateLimit", "Retry", "Timeout"]
