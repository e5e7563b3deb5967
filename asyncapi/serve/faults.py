"""What goes wrong, and when: the settings of the fault server and its seeded decision. Pure: no clock, no I/O.

The rules:
1. (seed, path with query, nth visit to that path) decides, and nothing else does. Two runs are alike, whatever the
   order in which requests arrive, and a retry of the same URL is another visit, so it can succeed.
2. A request has at most one of drop, error, throttle and slow. The rates share out one draw, so they add up to at
   most 1. Latency comes on top of each.
3. `?fault=` and `?latency_ms=` in a request replace what was drawn for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import Literal, NamedTuple

from asyncapi.errors import ConfigError

Cut = Literal["connect", "headers", "body"]

_DRAWS = Struct("<3Q")
_WHOLE = 2.0**64
_ERRORS = (500, 502, 503)
_CUTS: tuple[Cut, ...] = ("connect", "headers", "body")
_FIRST_ERROR, _LAST_ERROR = 400, 599
_MAX_WAIT = 3600.0


class Rate(NamedTuple):
    """A rate limit: `amount` requests per `per` seconds, of which `burst` may come at once (None: `amount`)."""

    amount: float
    per: float = 1.0
    burst: float | None = None


class Fault(NamedTuple):
    """What is done to one request.

    Attributes:
        name: "", "drop", "error", "throttle" or "slow": its name in the statistics.
        delay: Seconds to wait before anything is answered.
        status: The status that replaces the real answer, or 0.
        retry_after: The form of the Retry-After header: "" for none, "seconds" or "date".
        cut: Where the connection is closed: before the request is handled, after the answer's headers, or in the
            middle of its body; "" for nowhere.
        stall: Seconds of silence in the middle of the answer's body.
    """

    name: str = ""
    delay: float = 0.0
    status: int = 0
    retry_after: Literal["", "seconds", "date"] = ""
    cut: Cut | Literal[""] = ""
    stall: float = 0.0


NO_FAULT = Fault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults that a server mixes into its answers. Rates are shares of the requests, from 0 to 1.

    Args:
        latency: Seconds before every answer; a pair is a range, drawn from evenly.
        error_rate: The share answered with 500, 502 or 503.
        throttle_rate: The share answered with 429 and a Retry-After, half of them as seconds, half as an HTTP-date.
        drop_rate: The share whose connection is closed without a whole answer: a third each before the request is
            handled, after the answer's headers, and in the middle of its body.
        slow_rate: The share answered late: half before the headers, half in the middle of the body.
        slow: Seconds that a slow answer takes longer.
        rate_limit: Requests over it are answered with 429, Retry-After and X-RateLimit-* headers.
        retry_after: Whole seconds that the Retry-After of a throttled answer asks for.
        seed: Another seed gives another, equally repeatable, run.

    Raises:
        ConfigError: A value is out of range, or the rates add up to more than 1.
    """

    latency: float | tuple[float, float] = 0.0
    error_rate: float = 0.0
    throttle_rate: float = 0.0
    drop_rate: float = 0.0
    slow_rate: float = 0.0
    slow: float = 2.0
    rate_limit: Rate | None = None
    retry_after: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        rates = {name: getattr(self, f"{name}_rate") for name in ("drop", "error", "throttle", "slow")}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ConfigError(f"the {name} rate is a share from 0 to 1, not {rate:g}")
        if sum(rates.values()) > 1 + 1e-9:
            raise ConfigError(f"the fault rates add up to {sum(rates.values()):g}: lower them to at most 1 in all")
        low, high = self.span
        if not 0 <= low <= high <= _MAX_WAIT:
            raise ConfigError(
                f"the latency goes from a low to a high figure within 0 to 3600 s, not {low:g} to {high:g} s"
            )
        if not 0 <= self.slow <= _MAX_WAIT:
            raise ConfigError(f"a slow answer takes from 0 to 3600 s longer, not {self.slow:g}")
        if not 0 <= self.retry_after <= _MAX_WAIT:
            raise ConfigError(f"Retry-After asks for 0 to 3600 s, not {self.retry_after}")
        if self.rate_limit is not None:
            check_rate(self.rate_limit)

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest latency, in seconds."""
        return self.latency if isinstance(self.latency, tuple) else (self.latency, self.latency)

    @property
    def drawn(self) -> bool:
        """Whether any fault is drawn by rate, or every answer waits."""
        return bool(self.span[1] or self.error_rate or self.throttle_rate or self.drop_rate or self.slow_rate)

    def describe(self) -> list[str]:
        """Each fault that is on, in words; empty where none is."""
        low, high = (round(seconds * 1000, 3) for seconds in self.span)
        words = []
        if high:
            words.append(f"latency {low:g} ms" if low == high else f"latency {low:g} to {high:g} ms")
        if self.error_rate:
            words.append(f"{self.error_rate:.3%} answered 500, 502 or 503")
        if self.throttle_rate:
            words.append(f"{self.throttle_rate:.3%} answered 429, Retry-After {self.retry_after} s")
        if self.drop_rate:
            words.append(f"{self.drop_rate:.3%} dropped")
        if self.slow_rate:
            words.append(f"{self.slow_rate:.3%} slow by {self.slow:g} s")
        if self.rate_limit:
            words.append(f"at most {self.rate_limit.amount:g} requests per {self.rate_limit.per:g} s")
        return [word.replace(".000%", "%") for word in words]


def check_rate(rate: Rate) -> Rate:
    """The rate itself.

    Raises:
        ConfigError: It could never let a request through.
    """
    burst = rate.amount if rate.burst is None else rate.burst
    if not (0 < rate.amount <= 1e9 and 0 < rate.per <= 1e6 and burst >= 1):  # noqa: PLR2004 - beyond any use
        raise ConfigError(
            f"a rate limit is a positive amount per positive seconds with a burst of at least 1, not {rate}"
        )
    return rate


def decide(faults: Faults, path: str, visit: int) -> Fault:
    """The fault of the `visit`-th request (from 1) to `path`, query included."""
    seeded = f"{faults.seed} {visit} {path}".encode("utf-8", "surrogateescape")
    which, how, wait = (draw / _WHOLE for draw in _DRAWS.unpack(blake2b(seeded, digest_size=_DRAWS.size).digest()))
    low, high = faults.span
    delay = low + (high - low) * wait
    edge = faults.drop_rate
    if which < edge:
        return Fault("drop", delay, cut=_CUTS[int(how * len(_CUTS))])
    edge += faults.error_rate
    if which < edge:
        return Fault("error", delay, status=_ERRORS[int(how * len(_ERRORS))])
    edge += faults.throttle_rate
    if which < edge:
        return Fault("throttle", delay, status=429, retry_after="seconds" if how < 1 / 2 else "date")
    edge += faults.slow_rate
    if which < edge:
        return Fault("slow", delay + faults.slow) if how < 1 / 2 else Fault("slow", delay, stall=faults.slow)
    return Fault("", delay)


def asked(faults: Faults, drawn: Fault, fault: str | None, latency_ms: str | None) -> Fault:
    """`drawn`, or what the request's own `?fault=` and `?latency_ms=` put in its place.

    Raises:
        ConfigError: They cannot be read.
    """
    if fault is not None:
        drawn = _named(faults, fault)._replace(delay=drawn.delay)
    if latency_ms is not None:
        low, high = parse_latency(latency_ms)
        drawn = drawn._replace(delay=(low + high) / 2)
    return drawn._replace(delay=drawn.delay + faults.slow) if fault == "slow" else drawn


def _named(faults: Faults, fault: str) -> Fault:
    table = {
        "none": NO_FAULT,
        "429": Fault("throttle", status=429, retry_after="seconds"),
        "429-date": Fault("throttle", status=429, retry_after="date"),
        "drop": Fault("drop", cut="connect"),
        "drop-headers": Fault("drop", cut="headers"),
        "drop-body": Fault("drop", cut="body"),
        "slow": Fault("slow"),
        "slow-body": Fault("slow", stall=faults.slow),
    }
    if fault in table:
        return table[fault]
    if fault.isascii() and fault.isdigit() and _FIRST_ERROR <= int(fault) <= _LAST_ERROR:
        return Fault("error", status=int(fault))
    raise ConfigError(f"fault={fault!r}: use a status from 400 to 599, or one of {', '.join(table)}")


def parse_latency(text: str) -> tuple[float, float]:
    """Milliseconds as `20` or `10-50`, given back as (low, high) in seconds.

    Raises:
        ConfigError: It is neither.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", text.strip())
    if match is None:
        raise ConfigError(f"a latency is milliseconds like 20, or a range like 10-50, not {text!r}")
    low = float(match[1]) / 1000
    high = float(match[2]) / 1000 if match[2] else low
    return Faults(latency=(low, high)).span
