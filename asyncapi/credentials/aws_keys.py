"""AWS keys from botocore's own search: environment, profile, single sign-on, assumed roles, container, instance.

It reads files, starts programs and asks servers, and blocks meanwhile: it is asked in a thread.
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
    """One set of keys; times in seconds, `expires_at` since the Unix epoch."""

    access: str
    secret: str
    token: str = ""
    expires_at: float = inf
    lifetime: float = inf


class Chain:
    """Finds keys.

    Args:
        profile: The profile to take them from, or None for the usual search.
        given: A botocore credentials object to take them from instead.

    Attributes:
        told: Where they come from, in a few words.
    """

    def __init__(self, profile: str | None, given: Any) -> None:
        self._profile = profile
        self._given = given
        self._found = given
        where = f"of the profile {profile}" if profile else "of botocore's chain"
        self.told = "of the credentials given" if given is not None else where

    async def find(self, old: Keys | None, context: AuthContext) -> Keys:  # noqa: ARG002 - it needs no old ones
        """The keys as they are now.

        Raises:
            AuthError: There are none.
        """
        return await asyncio.to_thread(self._find, context.clock.wall())

    def forget(self) -> bool:
        """Look anew the next time: files may have changed. Whether there may be others."""
        self._found = self._given
        return self._given is None or hasattr(self._given, "refresh_needed")

    def _find(self, now: float) -> Keys:
        errors = botocore("exceptions")
        try:
            found = self._found or _session(self._profile).get_credentials()
            if found is None:
                raise AuthError(
                    "there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give profile= or access_key="
                )
            self._found = found
            frozen = found.get_frozen_credentials()
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise AuthError(f"{type(error).__name__}: {error}") from error
        end = getattr(found, "_expiry_time", None)  # botocore tells it nowhere else
        expires = inf if end is None else end.timestamp()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "", expires, max(0.0, expires - now))


def _session(profile: str | None) -> Any:
    return botocore("session").Session(profile=profile)


def region_of(profile: str | None) -> str:
    """The region of the profile, or of the environment.

    Raises:
        ConfigError: There is none.
    """
    if profile is None and (found := os.environ.get("AWS_REGION")):  # botocore reads AWS_DEFAULT_REGION alone
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
    """One of its modules.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module(f"botocore.{module}")
    except ImportError:
        raise ConfigError("AWSSigV4 needs botocore: pip install 'asyncapi-sdk[aws]'") from None
