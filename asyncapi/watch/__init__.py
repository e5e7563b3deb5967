"""Watchers of a client: `Client(watch=[...])`. Each loads the package that it needs when it is first named.

    OpenTelemetry   spans, metrics and trace headers     pip install 'asyncapi-sdk[otel]'
    Prometheus      counters and histograms              pip install 'asyncapi-sdk[prometheus]'
    Logs            structured records on stdlib logging
    Alert           calls back when errors, latency or 429s pass a limit

A watcher of your own is any object with the four methods of `Watcher`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncapi.layers.watch import Finished, Watcher
from asyncapi.watch.alert import Alarm, Alert
from asyncapi.watch.logs import Logs

if TYPE_CHECKING:
    from asyncapi.watch.otel import OpenTelemetry
    from asyncapi.watch.prometheus import Prometheus

__all__ = ["Alarm", "Alert", "Finished", "Logs", "OpenTelemetry", "Prometheus", "Watcher"]

_LATE = {"OpenTelemetry": "otel", "Prometheus": "prometheus"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"asyncapi.watch.{_LATE[name]}"), name)
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} needs an extra: pip install 'asyncapi-sdk[{_LATE[name]}]' ({error})") from error
