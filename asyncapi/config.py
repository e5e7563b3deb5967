"""Deprecated: the name of `asyncapi.settings` in 0.1. It goes with the next minor release."""

import warnings

from asyncapi.settings import *  # noqa: F403 - every name that it had

warnings.warn(
    "asyncapi.config is now asyncapi.settings; import its names from asyncapi", DeprecationWarning, stacklevel=2
)
