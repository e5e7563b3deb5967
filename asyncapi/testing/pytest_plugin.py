"""The fixtures that pytest finds in this package: `api_mock`.

pytest imports this module at the start of every run, whether or not a test uses it. It imports pytest alone; everything
else waits until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.testing.mocked_api import APIMock


@pytest.fixture
def api_mock() -> Iterator[APIMock]:
    """Mock every API that the code under test calls with this SDK."""
    from asyncapi.testing.mocked_api import APIMock  # noqa: PLC0415 - only for tests that use it

    with APIMock() as mock:
        yield mock
