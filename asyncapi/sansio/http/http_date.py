"""Read HTTP dates, in their three forms and no other (RFC 9110 section 5.6.7).

    Sun, 06 Nov 1994 08:49:37 GMT       IMF-fixdate, what everybody should send
    Sunday, 06-Nov-94 08:49:37 GMT      RFC 850, obsolete; its two digits of a year are of the last 50 years or the next
    Sun Nov  6 08:49:37 1994            asctime, obsolete

Names are matched without regard to case (RFC 9111 section 4.2). The day of the week is not checked against the date.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from functools import lru_cache

_NAMES = "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_DAY, _FULL_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)", "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH, _TIME = f"({'|'.join(_MONTHS)})", "([0-9]{2}):([0-9]{2}):([0-9]{2})"
_FIXED = re.compile(f"{_DAY}, ([0-9]{{2}}) {_MONTH} ([0-9]{{4}}) {_TIME} GMT", re.IGNORECASE | re.ASCII)
_RFC_850 = re.compile(f"{_FULL_DAY}, ([0-9]{{2}})-{_MONTH}-([0-9]{{2}}) {_TIME} GMT", re.IGNORECASE | re.ASCII)
_ASCTIME = re.compile(f"{_DAY} {_MONTH} ([0-9]{{2}}| [0-9]) {_TIME} ([0-9]{{4}})", re.IGNORECASE | re.ASCII)
_LONGEST = 40  # characters; the longest form has 33
_LEAP_SECOND = 60
_EPOCH, _YEAR = 1970, 31_556_952  # and the seconds of a year


def http_date(text: str | None, now: float) -> float | None:
    """Seconds since the Unix epoch, or None if the text is not an HTTP date.

    Args:
        text: A field's value.
        now: The date, which tells the century of a year of two digits.
    """
    if text is None or len(text) > _LONGEST:
        return None
    return _read(text, _EPOCH + int(now // _YEAR))


@lru_cache(maxsize=64)  # the responses of one second have the same Date
def _read(text: str, this: int) -> float | None:
    text = text.strip(" \t")
    if (found := _FIXED.fullmatch(text)) is not None:
        day, month, year, *time = found.groups()
        return _seconds(int(year), month, day, time)
    if (found := _ASCTIME.fullmatch(text)) is not None:
        month, day, *time, year = found.groups()
        return _seconds(int(year), month, day, time)
    if (found := _RFC_850.fullmatch(text)) is not None:
        day, month, year, *time = found.groups()
        full = this - this % 100 + int(year)  # section 5.6.7: more than 50 years ahead means the century before
        return _seconds(full - 100 if full > this + 50 else full, month, day, time)
    return None


def _seconds(year: int, month: str, day: str, time: list[str]) -> float | None:
    hour, minute, second = map(int, time)
    if hour > 23 or minute > 59 or second > _LEAP_SECOND:  # noqa: PLR2004 - a clock's
        return None
    try:
        whole = date(year, _MONTHS[month.lower()], int(day))
    except ValueError:
        return None
    return float(timegm((*whole.timetuple()[:3], hour, minute, second)))
