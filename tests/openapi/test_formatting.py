"""What is written is formatted, the same everywhere."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError
from asyncapi.openapi import formatting


def test_a_source_is_formatted_without_the_settings_of_a_project(tmp_path, monkeypatch):
    (tmp_path / "ruff.toml").write_text("line-length = 20\n")
    monkeypatch.chdir(tmp_path)
    assert formatting.formatted("x = {  'a':1, 'b': 2 , 'c': 3, 'd': 4 }") == 'x = {"a": 1, "b": 2, "c": 3, "d": 4}\n'


def test_a_source_that_is_no_python_is_an_error():
    with pytest.raises(ConfigError, match="ruff can't format the source"):
        formatting.formatted("def")


def test_a_missing_ruff_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ruff", None)
    monkeypatch.setattr(formatting.sys, "executable", "/nowhere/python")
    formatting._ruff.cache_clear()
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[generate\]"):
        formatting.formatted("x = 1")
    formatting._ruff.cache_clear()
