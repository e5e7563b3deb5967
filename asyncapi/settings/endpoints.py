"""The settings of many endpoints of one API: `Client(endpoints=...)`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import KW_ONLY  # noqa: TC003 - the dataclass reads it
from functools import cached_property
from typing import Annotated, Any, Literal

from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.messages.base_url import base_of, root_of
from asyncapi.messages.uri import has_dot_segments
from asyncapi.redact import redact_url
from asyncapi.sansio.http.origin import origin
from asyncapi.sansio.limits.endpoint_health import Rules
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.checks import Bounds

_NAME = re.compile(r"(?=.{1,253}\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_\-]{1,63}\.?")
_PATH = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%]*)*")
_ANY_PATH = "/base"
_NOWHERE = "endpoints.invalid"  # RFC 6761 section 6.4: no name server knows it, so it can't be sent to by mistake


@settings
class Endpoint:
    """One endpoint of several that serve the same API.

    Attributes:
        url: Its base URL, as in `Client(base_url)`: relative URLs are joined to it.
        zone: Where it is, such as "eu-1": `Endpoints(zone=...)` says which zone goes first.
        weight: Its share of the requests, relative to the others'; 1 by default.
        priority: Endpoints of a higher number are used only where none of a lower one can be; 0 by default.
    """

    url: str
    _: KW_ONLY
    zone: str = ""
    weight: Annotated[float, Bounds(gt=0, finite=True)] = 1.0
    priority: Annotated[int, Bounds(ge=0, strict=True)] = 0

    def __post_init__(self) -> None:
        if not self.base:
            raise ConfigError("Endpoint(url=''): give an absolute URL, like https://api.example.com/v1")

    @cached_property
    def base(self) -> str:
        """Its base URL without the last slash."""
        return base_of(self.url, "Endpoint(url)")

    def __repr__(self) -> str:
        return f"Endpoint({redact_url(self.url)!r}, zone={self.zone!r}, weight={self.weight:g})"


@settings
class Endpoints:
    """Send each attempt to one of several endpoints of the same API, by their load, latency and health.

        Client(endpoints=Endpoints(
            ["https://a.example.com", Endpoint("https://b.example.com", zone="eu-1", weight=2)], zone="eu-1",
        ))

    Every attempt picks anew: a retry or a hedge goes to another endpoint. `client.stats.endpoints` shows their state.

    Attributes:
        endpoints: The endpoints: base URLs, or `Endpoint`s. They have one scheme.
        zone: The zone that is used first, as long as 70 % of its endpoints are healthy; "" for none.
        eject_after: Failures in a row (a 5xx, or no response) after which an endpoint is left out; 5 by default. At
            most half of the endpoints are out at a time.
        eject_for: Seconds that it is left out, 10 by default; twice as long each time that it fails again soon after,
            up to 5 minutes, or `eject_for` where that is more. Then one request is its probe.
        slow_start: Seconds in which an endpoint that is new or back gets its full share; 10 by default, 0 at once.
        service: The name of the SRV records that list the endpoints; "" where `endpoints` does. See `srv`.
        scheme: The scheme of endpoints that SRV records list.
        path: The path of their base URLs.
        nameservers: The addresses of the name servers to ask, "10.0.0.2" or "10.0.0.2:8600"; the system's by default.
    """

    endpoints: Any = ()
    _: KW_ONLY
    zone: str = ""
    eject_after: Annotated[int, Bounds(ge=1, strict=True)] = 5
    eject_for: Seconds = 10.0
    slow_start: Annotated[float, Bounds(ge=0, finite=True)] = 10.0
    service: str = ""
    scheme: Literal["https", "http"] = "https"
    path: str = ""
    nameservers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoints", _several(self.endpoints))
        if bool(self.service) == bool(self.endpoints):
            raise ConfigError(
                "Endpoints: give a list with at least one endpoint, or Endpoints.srv('_api._tcp.example')"
            )
        if not self.service:
            _check(self.endpoints)
            if self.zone and self.zone not in {endpoint.zone for endpoint in self.endpoints}:
                raise ConfigError(f"Endpoints(zone={self.zone!r}): no endpoint is in that zone: Endpoint(..., zone=)")
            return
        if not _NAME.fullmatch(self.service):
            raise ConfigError(f"Endpoints.srv({self.service!r}): give the name of SRV records, like _api._tcp.example")
        if not _PATH.fullmatch(self.path) or has_dot_segments(self.path):
            raise ConfigError(f"Endpoints.srv(path={self.path!r}): give a path, like /v1")

    @classmethod
    def srv(
        cls,
        service: str,
        *,
        scheme: Literal["https", "http"] = "https",
        path: str = "",
        nameservers: Iterable[str] = (),
        eject_after: int = 5,
        eject_for: float = 10.0,
        slow_start: float = 10.0,
    ) -> Endpoints:
        """Have SRV records list the endpoints (RFC 2782), with their priorities and weights.

        They are looked up at the first call, and again when their time to live has passed. Where that fails, the list
        stays as it was. Needs the extra `srv`.

        Args:
            service: The name of the records, such as `_api._tcp.example.com`.
            scheme: "https", or "http".
            path: The path of the endpoints' base URLs, such as "/v1".
            nameservers: As in `Endpoints`.
            eject_after: As in `Endpoints`.
            eject_for: As in `Endpoints`.
            slow_start: As in `Endpoints`.

        Raises:
            ConfigError: A value makes no sense.
        """
        return cls(
            (), service=service, scheme=scheme, path=path, nameservers=tuple(nameservers), eject_after=eject_after,
            eject_for=eject_for, slow_start=slow_start,
        )  # fmt: skip

    @cached_property
    def base(self) -> str:
        """The base URL that stands for all of them, above the choice of one.

        It has their path: "" and "?x=1" mean something else below "/v1" than below none.
        """
        if self.service:
            return f"{self.scheme}://{self.service.rstrip('.').lower()}{self.path.rstrip('/')}"
        paths = {root_of(endpoint.base).path for endpoint in self.endpoints}
        scheme = self.endpoints[0].base.partition("://")[0]
        return f"{scheme}://{_NOWHERE}{paths.pop() if len(paths) == 1 else _ANY_PATH}"

    @cached_property
    def rules(self) -> Rules:
        """The rules of the choice."""
        return Rules(
            failures=self.eject_after, eject_for=self.eject_for, eject_cap=max(300.0, self.eject_for),
            slow_start=self.slow_start, zone=self.zone,
        )  # fmt: skip

    def describe(self) -> str:
        """As `explain()` shows it."""
        what = f"SRV {self.service}" if self.service else ", ".join(redact_url(each.base) for each in self.endpoints)
        zone = f", zone {self.zone} first" if self.zone else ""
        return f"{what}{zone}; out after {self.eject_after} failures in a row"


def endpoints_of(given: Any, base_url: str | URL) -> tuple[str | URL, Endpoints | None]:
    """Read `Client(endpoints=)`: the base URL of the client, and the endpoints where it has several.

    Raises:
        ConfigError: They make no sense.
    """
    if given is None:
        return base_url, None
    if base_url:
        raise ConfigError("base_url and endpoints=: give one of the two")
    if isinstance(given, str | URL | Endpoint):
        raise ConfigError("endpoints: give a list, ['https://a.example.com', 'https://b.example.com']")
    several = given if isinstance(given, Endpoints) else Endpoints(given)
    if len(several.endpoints) == 1:  # there is nothing to choose
        return several.endpoints[0].base, None
    if several.service:
        _require_dnspython()
    return several.base, several


def _several(given: Any) -> tuple[Endpoint, ...]:
    if isinstance(given, str | bytes | URL | Endpoint) or not isinstance(given, Iterable):
        raise ConfigError("endpoints: give a list, ['https://a.example.com', 'https://b.example.com']")
    return tuple(each if isinstance(each, Endpoint) else _one(each) for each in given)


def _one(given: Any) -> Endpoint:
    if not isinstance(given, str | URL):
        raise ConfigError(f"endpoints: {type(given).__name__} is no endpoint: give base URLs, or Endpoint(...)")
    return Endpoint(str(given))


def _check(endpoints: tuple[Endpoint, ...]) -> None:
    seen: set[object] = set()
    for endpoint in endpoints:
        url = URL(endpoint.base, encoded=True)
        same = (*origin(url), url.raw_path.rstrip("/"))
        if same in seen:
            raise ConfigError(
                f"endpoints: {redact_url(endpoint.base)!r} is there twice; weight=2 gives it a double share"
            )
        seen.add(same)
    if len({endpoint.base.partition("://")[0] for endpoint in endpoints}) > 1:
        raise ConfigError("endpoints: some are https and some http: a retry must not go unencrypted; give one scheme")


def _require_dnspython() -> None:
    from importlib.util import find_spec  # noqa: PLC0415 - most clients look up no SRV records

    if find_spec("dns") is None:
        raise ConfigError("Endpoints.srv needs dnspython: pip install 'asyncapi-sdk[srv]'")
