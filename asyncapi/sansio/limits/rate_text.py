"""Read a rate that is written as text: one grammar for clients, jobs, the command line and the local server.

    50          50 a second
    50/s        the same
    100/m       100 a minute; h is an hour, d a day
    10/30s      10 in 30 seconds

Spaces around the parts are allowed; the amount and the time may have a decimal point.
"""

from __future__ import annotations

import re

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
HOW_TO = "write 50 (a second), 50/s, 100/m, 5000/h, 10000/d, or 10/30s"

_NUMBER = r"\d{1,15}(?:\.\d{1,15})?"  # bounded: a longer one is no rate
_RATE = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})?\s*([smhd])\s*)?", re.ASCII)
_NAMES = {SECOND: "a second", MINUTE: "a minute", HOUR: "an hour", DAY: "a day"}


def parse_rate(text: str) -> tuple[float, float]:
    """Read a rate: the amount, and in how many seconds.

    Raises:
        ValueError: It can't be read, or is 0; the message says how to write it.
    """
    found = _RATE.fullmatch(text)
    amount, per = (0.0, 1.0) if found is None else (float(found[1]), float(found[2] or 1) * UNITS[found[3] or "s"])
    if amount <= 0 or per <= 0:
        raise ValueError(f"the rate {text!r} cannot be read: {HOW_TO}")
    return amount, per


def rate_text(amount: float, per: float) -> str:
    """Write a rate for people: "100 a minute"."""
    name = _NAMES.get(per)
    return f"{amount:g} in {per:g} s" if name is None else f"{amount:g} {name}"
