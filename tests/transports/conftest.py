"""Two certificate authorities that know nothing of each other."""

from __future__ import annotations

import pytest

from certificates import Authority


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="session")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"))
