"""The public settings objects, one file a concern."""

from asyncapi.config.core import TLS, Budget, CostBudget, RateLimit, Retry, Timeout
from asyncapi.config.fallback import Fallback

__all__ = ["TLS", "Budget", "CostBudget", "Fallback", "RateLimit", "Retry", "Timeout"]
