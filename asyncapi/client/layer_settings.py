"""Check a client's settings that concern its layers: every wrong one is a `ConfigError` that names it."""

import inspect
from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Annotated, Any, ClassVar, Literal

from asyncapi.settings import Adaptive, Breaker, Cache, Chaos, Fallback, Hedge, Mesh, RateLimit, Redis, Retry
from asyncapi.settings.base import settings
from asyncapi.settings.checks import After, Bounds


def _plain_function(hook: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None)):  # noqa: B004
        raise ValueError(f"{hook!r} is not a plain function: start a task in it for async work")
    return hook


AtLeastOne = Annotated[int, Bounds(ge=1, strict=True)]
Hook = Annotated[Callable[..., Any], After(_plain_function)]


@settings
class LayerSettings:
    """The settings of a client that concern its layers; see `asyncapi.Client` for the meaning of each."""

    shown_as: ClassVar[str] = "Client"

    _: KW_ONLY
    base: str = ""
    endpoints: Any = None  # `Endpoints` or None, checked by then
    retry: Retry | None = None
    concurrency: AtLeastOne | Adaptive | None = None
    rate: tuple[RateLimit, ...] = ()
    shared: Redis | None = None
    pace: bool | Literal["learn"] | Callable[[Any], str] = True
    max_queue: Annotated[int, Bounds(ge=0, strict=True)] | None = None
    hooks: tuple[Hook, ...] = ()
    watch: tuple[Any, ...] = ()
    redirects: Annotated[int, Bounds(ge=0, strict=True)] = 0
    breaker: Breaker | None = None
    hedge: Hedge | None = None
    fallback: tuple[Fallback, ...] = ()
    cache: Cache | None = None
    single_flight: bool = False
    deadline_header: str | None = None
    attempt_header: str | None = None
    mesh: Mesh | Literal[False] | None = None
    chaos: Chaos | None = None
    layers: tuple[Callable[..., Any], ...] = ()
    auth: Any = None
