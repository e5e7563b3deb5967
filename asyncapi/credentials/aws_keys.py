"""Find AWS keys by botocore's own search: environment, profile, single sign-on, assumed roles, container, instance.

The search reads files, starts programs and calls servers, and blocks meanwhile: it runs in a thread.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from asyncapi.credentials.base import AuthContext


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """A set of AWS keys; times in seconds, `expires_at` since the Unix epoch."""

    access: str
    secret: str
    token: str = ""
    expires_at: float = inf
    lifetime: float = inf


class Chain:
    """Find keys by botocore's search.

    Args:
        profile: The profile to take keys from, or None for the usual search.
        credentials: A botocore credentials object to take keys from instead.
    """

    def __init__(self, profile: str | None, credentials: Any) -> None:
        self._profile = profile
        self._own = credentials
        self._found = credentials

    def describe(self) -> str:
        """Say where the keys come from."""
        if self._own is not None:
            return "of the credentials given"
        return f"of the profile {self._profile}" if self._profile else "of botocore's chain"

    async def find(self, old: Keys | None, context: AuthContext) -> Keys:  # noqa: ARG002 - it needs no old ones
        """Find the keys as they are now.

        Raises:
            AuthError: The search found none, or failed.
        """
        return await asyncio.to_thread(self._find, context.clock.wall())

    def forget(self) -> bool:
        """Search again the next time, as files may have changed; return whether that may find other keys."""
        self._found = self._own
        return self._own is None or hasattr(self._own, "refresh_needed")

    def _find(self, now: float) -> Keys:
        errors = botocore("exceptions")
        try:
            found = self._found or _session(self._profile).get_credentials()
            if found is None:
                raise AuthError(
                    "the search found none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                    "or give profile= or access_key="
                )
            self._found = found
            frozen = found.get_frozen_credentials()
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise AuthError(f"{type(error).__name__}: {error}") from error
        end = getattr(found, "_expiry_time", None)  # botocore has no public name for it
        expires = inf if end is None else end.timestamp()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "", expires, max(0.0, expires - now))


def _session(profile: str | None) -> Any:
    return botocore("session").Session(profile=profile)


def region_of(profile: str | None) -> str:
    """Find the region in the environment or the profile.

    Raises:
        ConfigError: Neither names a region.
    """
    if profile is None and (found := os.environ.get("AWS_REGION")):  # botocore itself reads AWS_DEFAULT_REGION alone
        return found
    errors = botocore("exceptions")
    try:
        found = _session(profile).get_config_variable("region")
    except errors.BotoCoreError as error:
        raise ConfigError(f"AWSSigV4: {error}") from None
    if not found:
        raise ConfigError("AWSSigV4: no region: give it, as in AWSSigV4('s3', 'eu-central-1'), or set AWS_REGION")
    return str(found)


def botocore(module: str) -> Any:
    """Import a module of botocore.

    Raises:
        ConfigError: botocore is not installed.
    """
    try:
        return import_module(f"botocore.{module}")
    except ImportError:
        raise ConfigError("AWSSigV4 needs botocore: pip install 'asyncapi-sdk[aws]'") from None
