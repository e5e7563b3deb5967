"""The fixtures of the pytest plugin, whether or not pytest has loaded it by itself."""

from asyncapi.testing.pytest_plugin import api_clock, api_mock

__all__ = ["api_clock", "api_mock"]
