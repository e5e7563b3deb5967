"""Read the bodies of errors as the models that a declared method names for their status: `errors={404: Problem}`.

A key is a status (404), a range ("4XX", "5XX") or "default"; the most exact one holds. The value becomes the error's
`.detail`. A body that doesn't fit its model changes nothing: `.detail` stays None, and `.body` has the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from asyncapi.errors import ConfigError, DecodeError, StatusError
from asyncapi.messages import decoding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

T = TypeVar("T")

_RANGES = {"4XX", "5XX"}


class Failures:
    """The models of a method's errors.

    Args:
        errors: Status, range or "default" -> model.

    Raises:
        ConfigError: A key is no status of an error, or a value is no type.
    """

    def __init__(self, errors: Mapping[int | str, Any]) -> None:
        self._models: dict[int | str, Any] = {}
        for key, model in errors.items():
            name = _checked(key)
            decoding.adapter(model)
            self._models[name] = model

    def explain(self, error: StatusError) -> None:
        """Give an error its `.detail`."""
        status = error.status
        for key in (status, f"{status // 100}XX", "default"):
            if key in self._models:
                try:
                    error.detail = error.response.parse(self._models[key])
                except (DecodeError, ConfigError):
                    error.detail = None
                return

    def explaining(self, call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """Return a function whose errors have their `.detail`."""

        async def explained(*args: Any, **options: Any) -> T:
            try:
                return await call(*args, **options)
            except StatusError as error:
                self.explain(error)
                raise

        return explained


def _checked(key: int | str) -> int | str:
    if isinstance(key, int) and not isinstance(key, bool) and 400 <= key <= 599:  # noqa: PLR2004 - RFC 9110 section 15
        return key
    if isinstance(key, str) and (key == "default" or key.upper() in _RANGES):
        return key if key == "default" else key.upper()
    raise ConfigError(f"errors={{{key!r}: ...}}: give a status from 400 to 599, '4XX', '5XX' or 'default'")
