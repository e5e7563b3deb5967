"""What one client has learned of retries: for each policy, for each host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.failures.learned import Learning
from asyncapi.sansio.failures.lessons import Lessons
from asyncapi.sansio.limits.keyed import Keyed

if TYPE_CHECKING:
    from asyncapi.settings import Learned

_MAX_HOSTS = 1024


class LearnedRetries:
    """What the calls with one policy have learned; policies with equal settings are one.

    Args:
        settings: The policy.

    Attributes:
        hosts: What is known of each host.
    """

    def __init__(self, settings: Learned) -> None:
        rules = settings.rules
        self.hosts: Keyed[Learning] = Keyed(lambda: Learning(rules), _MAX_HOSTS)

    def lessons(self, host: str) -> Lessons:
        """Begin the lessons of one call."""
        return Lessons(self.hosts[host])
