"""The public settings objects, one file a concern."""

from asyncapi.config.adaptive import Adaptive
from asyncapi.config.breaker import Breaker
from asyncapi.config.chaos import Chaos
from asyncapi.config.core import TLS, Budget, CostBudget, RateLimit, Retry, Timeout
from asyncapi.config.fallback import Fallback
from asyncapi.config.hedge import Hedge

__all__ = [
    "TLS",
    "Adaptive",
    "Breaker",
    "Budget",
    "Chaos",
    "CostBudget",
    "Fallback",
    "Hedge",
    "RateLimit",
    "Retry",
    "Timeout",
]
