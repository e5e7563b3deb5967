"""Learn how many requests a second a server takes when all it ever says is 429.

After a refusal the rate follows the curve of CUBIC (RFC 9438 section 4.2): quickly back to near what was too much, flat
there, then ever faster upwards, in case the server has grown. What was too much is measured: the rate that really went
through.

    1. When two refusals in a row agree on the rate within a twentieth, it is believed: the next dip is shallow and the
       plateau long.
    2. Before the first refusal, and after a pause that says nothing about a rate, the rate is searched for: it doubles
       every second from what went through before.
"""

from __future__ import annotations

_AGREE = 0.05  # of the rate: two measurements that differ by less agree
_DIP, _SHALLOW = 0.1, 0.03  # of the rate: given up after a refusal, and after one that agrees with the last
_RETURN, _LONG = 15.0, 60.0  # seconds until the rate is back, and at most when refusals agree
_LOW = 0.95  # of what was too much: below this no limit can be the reason of a refusal
_FOREVER = 1e6  # seconds without a refusal: longer counts as this
_LEAST = 0.1  # requests per second that are always allowed


class LearnedRate:
    """The rate that a server is believed to take.

    Args:
        now: The clock's time.
        rate: What went through lately, requests per second.
    """

    __slots__ = ("_dip", "_refusals", "_return", "_rise", "_searching", "_since", "_top")

    def __init__(self, now: float, rate: float) -> None:
        self._since = now
        self._top = max(_LEAST, rate)
        self._dip = _DIP
        self._return = _RETURN
        self._rise = 0.0  # requests per second above the top, after as much time again as the return took
        self._searching = True
        self._refusals = 0  # since the rate was searched for

    def at(self, now: float) -> float:
        """Requests per second allowed now."""
        passed = min(max(0.0, now - self._since), _FOREVER)
        if self._searching:  # rule 2
            return self._top * float(2.0 ** min(passed, 60.0))
        if passed <= self._return:
            left = 1.0 - passed / self._return
            return self._top * (1.0 - self._dip * left * left * left)
        more = (passed - self._return) / min(self._return, _RETURN)
        return self._top + self._rise * more * more * more

    def refused(self, now: float, measured: float) -> None:
        """Take in that a rate was too much, when `measured` requests per second went through."""
        top = max(_LEAST, measured)
        if not self._searching and abs(top - self._top) < _AGREE * self._top:  # rule 1
            self._dip, self._return = _SHALLOW, min(_LONG, 2 * self._return)
        else:
            self._dip, self._return = _DIP, _RETURN
        self._rise = _DIP * top
        self._top, self._since, self._searching = top, now, False
        self._refusals += 1

    @property
    def searching(self) -> bool:
        """Whether the rate doubles every second, because none is believed."""
        return self._searching

    def is_low(self, now: float) -> bool:
        """Whether the rate is so far below what was too much, twice, that no limit can be the reason of a refusal."""
        return self._refusals > 1 and self.at(now) <= _LOW * self._top

    def search(self, now: float, rate: float) -> None:
        """Drop what was believed, and search from this rate."""
        self._top, self._since, self._searching, self._refusals = max(_LEAST, rate), now, True, 0

    def correct(self, now: float, measured: float) -> None:
        """Take in that less went through than was measured at first."""
        self._top, self._since = max(_LEAST, min(self._top, measured)), now

    def skip(self, seconds: float) -> None:
        """Leave out a time in which nothing was sent: it says nothing about the rate."""
        self._since += seconds
