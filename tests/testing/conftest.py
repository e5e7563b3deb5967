"""The fixtures of the pytest plugin, whether or not pytest has loaded it by itself."""

from asyncapi.testing.pytest_plugin import api_cassette, api_clock, api_mock, cassette_config

__all__ = ["api_cassette", "api_clock", "api_mock", "cassette_config"]
