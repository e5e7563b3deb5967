"""A worker with other versions than the coordinator refuses, and says which."""

import platform

import pytest

from asyncapi import __version__
from asyncapi.bulk.fleet.versions import check_versions, versions
from asyncapi.errors import ConfigError


def test_the_same_versions_are_accepted():
    check_versions(versions())
    assert versions()["asyncapi-sdk"] == __version__


def test_other_versions_are_named_with_what_to_do():
    here = ".".join(platform.python_version_tuple()[:2])
    with pytest.raises(ConfigError, match=rf"has Python {here} instead of 2\.7: install the versions of this machine"):
        check_versions({**versions(), "Python": "2.7"})


def test_a_package_that_is_not_here_is_named():
    with pytest.raises(ConfigError, match=r"nosuch none instead of 1\.0"):
        check_versions({"nosuch": "1.0"})
