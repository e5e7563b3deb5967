"""How many requests a second a server takes that tells only by 429 when it was too many.

After a refusal the rate follows the curve of CUBIC (RFC 9438 section 4.2): quickly back to near what was too much, flat
there, then ever faster upwards, in case the server has grown. What was too much is taken from what really went through.
When two refusals in a row agree on it within a twentieth, it is believed: the next dip is shallow and the plateau long.
Before the first of them, and after a pause that says nothing about a rate, the rate is searched for: it doubles every
second from what went through before.
"""

from __future__ import annotations

_AGREE = 0.05  # of the rate: so near, two measurements agree
_DIP, _SHALLOW = 0.1, 0.03  # the share given up after a refusal
_RETURN, _LONG = 15.0, 60.0  # seconds until it is back
_LOOSE, _SOON = 1.5, 5.0  # times what went through was allowed: what the host takes lies between; seconds, then
_LOW = 0.95  # of what was too much
_FOREVER = 1e6  # seconds without a refusal
_LEAST = 0.1  # requests per second


class LearnedRate:
    """The rate believed in.

    Args:
        now: The clock's time.
        rate: What went through lately, requests per second.
    """

    __slots__ = ("_dip", "_met", "_return", "_rise", "_searching", "_since", "_top")

    def __init__(self, now: float, rate: float) -> None:
        self._since = now
        self._top = max(_LEAST, rate)
        self._dip = _DIP
        self._return = _RETURN
        self._rise = 0.0  # above the top, when as much time again has passed
        self._searching = True
        self._met = 0  # refusals since it was searched for

    def at(self, now: float) -> float:
        """Requests per second allowed now."""
        passed = min(max(0.0, now - self._since), _FOREVER)
        if self._searching:
            return self._top * float(2.0 ** min(passed, 60.0))
        if passed <= self._return:
            left = 1.0 - passed / self._return
            return self._top * (1.0 - self._dip * left * left * left)
        more = (passed - self._return) / min(self._return, _RETURN)
        return self._top + self._rise * more * more * more

    def refused(self, now: float, measured: float, rate: float = 0.0) -> None:
        """It was too much: `measured` requests per second went through, when `rate` were allowed."""
        top = max(_LEAST, measured)
        self._rise = max(_DIP * top, rate - top)
        if not self._searching and abs(top - self._top) < _AGREE * self._top:
            self._dip, self._return = _SHALLOW, min(_LONG, 2 * self._return)
            self._rise = _DIP * top
        elif rate > _LOOSE * top:
            self._dip, self._return = _DIP, _SOON
        else:
            self._dip, self._return = _DIP, _RETURN
        self._top, self._since, self._searching = top, now, False
        self._met += 1

    @property
    def searching(self) -> bool:
        """Whether it doubles every second, for want of a rate to believe in."""
        return self._searching

    def is_low(self, now: float) -> bool:
        """Whether it is so far below what was seen to be too much, twice, that no limit can be why some are refused."""
        return self._met > 1 and self.at(now) <= _LOW * self._top

    def search(self, now: float, rate: float) -> None:
        """What was believed is not so: search anew from this rate."""
        self._top, self._since, self._searching, self._met = max(_LEAST, rate), now, True, 0

    def correct(self, now: float, measured: float) -> None:
        """It turns out that less went through."""
        self._top, self._since = max(_LEAST, min(self._top, measured)), now

    def skip(self, seconds: float) -> None:
        """Nobody had use for the rate for so long: that says nothing about it."""
        self._since += seconds
