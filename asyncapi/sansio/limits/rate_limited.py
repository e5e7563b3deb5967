"""Tell whether a rate limit refused a request: then nothing was done, and it may be sent again, whatever its method.

    429                 always (RFC 6585 section 4)
    403                 where the response says so: it has a Retry-After, or a quota of which nothing is left (GitHub's
                        secondary and primary limits: docs.github.com, "Rate limits for the REST API"; others have
                        copied both). Any other 403 is about the credential, and is no limit.

How long to wait is `Retry-After`, or else the time until the used-up quotas are whole again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http.retry_after import retry_after
from asyncapi.sansio.limits.ratelimit_headers import quotas

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORBIDDEN, _TOO_MANY_REQUESTS = 403, 429


def is_rate_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a rate limit refused this request, and nothing else.

    Args:
        status: The response's.
        headers: The response's, case-insensitive.
    """
    if status == _FORBIDDEN:  # GitHub and those who copied it
        return retry_after(headers, 0.0) is not None or any(quota.remaining == 0 for quota in quotas(headers, 0.0))
    return status == _TOO_MANY_REQUESTS  # RFC 6585 section 4


def wait_asked(status: int, headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds the server asks to wait before the request is sent again, or None if it doesn't say.

    Args:
        status: The response's.
        headers: The response's, case-insensitive.
        wall: Now, in seconds since the Unix epoch.
    """
    wait = retry_after(headers, wall)
    if wait is None and is_rate_limited(status, headers):
        resets = [quota.reset for quota in quotas(headers, wall) if quota.remaining == 0 and quota.reset is not None]
        wait = max(resets, default=None)
    return wait
