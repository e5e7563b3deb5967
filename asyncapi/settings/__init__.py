"""The public settings objects, one file a concern."""

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face

if TYPE_CHECKING:
    from asyncapi.settings.adaptive import Adaptive
    from asyncapi.settings.breaker import Breaker
    from asyncapi.settings.cache import Cache
    from asyncapi.settings.chaos import Chaos
    from asyncapi.settings.egress import Egress
    from asyncapi.settings.endpoints import Endpoint, Endpoints
    from asyncapi.settings.fallback import Fallback
    from asyncapi.settings.hedge import Hedge
    from asyncapi.settings.http2 import HTTP2
    from asyncapi.settings.learned import Learned
    from asyncapi.settings.mesh import Mesh
    from asyncapi.settings.pages import Cursor, LinkHeader, NextUrl, Offset, PageNumber
    from asyncapi.settings.rate import RateLimit
    from asyncapi.settings.redis import Redis
    from asyncapi.settings.retry import Budget, CostBudget, Retry
    from asyncapi.settings.timeout import Timeout
    from asyncapi.settings.tls import TLS

__all__ = [
    "HTTP2",
    "TLS",
    "Adaptive",
    "Breaker",
    "Budget",
    "Cache",
    "Chaos",
    "CostBudget",
    "Cursor",
    "Egress",
    "Endpoint",
    "Endpoints",
    "Fallback",
    "Hedge",
    "Learned",
    "LinkHeader",
    "Mesh",
    "NextUrl",
    "Offset",
    "PageNumber",
    "RateLimit",
    "Redis",
    "Retry",
    "Timeout",
]

# The same as above: module -> names.
_HOMES = {
    "adaptive": "Adaptive",
    "breaker": "Breaker",
    "cache": "Cache",
    "chaos": "Chaos",
    "egress": "Egress",
    "endpoints": "Endpoint Endpoints",
    "fallback": "Fallback",
    "hedge": "Hedge",
    "http2": "HTTP2",
    "learned": "Learned",
    "mesh": "Mesh",
    "pages": "Cursor LinkHeader NextUrl Offset PageNumber",
    "rate": "RateLimit",
    "redis": "Redis",
    "retry": "Budget CostBudget Retry",
    "timeout": "Timeout",
    "tls": "TLS",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(__name__, _HOMES)
