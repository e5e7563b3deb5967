"""A pacer fed one response at a time, for the tests of pacing and of its parts."""

from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.ratelimit_headers import Quota


class Feed:
    """A pacer whose attempts get their responses at once."""

    def __init__(self):
        self.pacer = Pacer()

    def send(self, now, *quotas, status=200, retry_after=None):
        self.pacer.take(now)
        self.pacer.observe(
            now, number=self.pacer.begin(), sent_at=now, quotas=quotas, status=status, retry_after=retry_after
        )

    def limit(self, now, *quotas, status=429, retry_after=None):
        """A limit that all share: three refused, and none taken between."""
        for _ in range(3):
            self.send(now, *quotas, status=status, retry_after=retry_after)

    def count(self, now, seconds):
        """Attempts that may go in this time, whose responses state nothing."""
        sent, end = 0, now + seconds
        while (now := now + max(0.0, self.pacer.delay(now))) < end and sent < 10_000:
            self.send(now)
            sent += 1
        return sent


def window(limit, remaining, reset, **settings):
    return Quota("x-ratelimit", "", "requests", limit, remaining, reset, **settings)
