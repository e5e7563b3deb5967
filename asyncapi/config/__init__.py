"""The public settings objects, one file a concern."""

from asyncapi.config.adaptive import Adaptive
from asyncapi.config.breaker import Breaker
from asyncapi.config.cache import Cache
from asyncapi.config.chaos import Chaos
from asyncapi.config.core import Budget, CostBudget, RateLimit, Retry, Timeout
from asyncapi.config.egress import Egress
from asyncapi.config.fallback import Fallback
from asyncapi.config.hedge import Hedge
from asyncapi.config.pages import Cursor, LinkHeader, NextUrl, Offset, PageNumber
from asyncapi.config.tls import TLS

__all__ = [
    "TLS",
    "Adaptive",
    "Breaker",
    "Budget",
    "Cache",
    "Chaos",
    "CostBudget",
    "Cursor",
    "Egress",
    "Fallback",
    "Hedge",
    "LinkHeader",
    "NextUrl",
    "Offset",
    "PageNumber",
    "RateLimit",
    "Retry",
    "Timeout",
]
