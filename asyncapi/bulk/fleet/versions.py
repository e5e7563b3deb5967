"""Compare the versions of a worker with those of the coordinator: both must run the same Python and packages."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGES = ("aiohttp", "anyio", "pydantic", "tenacity", "yarl")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, this package, and what it stands on."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "asyncapi-sdk": VERSION}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def check_versions(wanted: Mapping[str, str]) -> None:
    """Check that this process has the versions of the coordinator.

    Raises:
        ConfigError: It has others; the message names them.
    """
    found = versions()
    differ = [
        f"{name} {found.get(name, 'none')} instead of {wanted[name]}"
        for name in wanted
        if found.get(name, "none") != wanted[name]
    ]
    if differ:
        raise ConfigError(
            f"the worker {platform.node()} has {', '.join(differ)}: "
            "install the versions of this machine on every worker"
        )
