"""The settings of the layers: one error that names the wrong one."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError
from asyncapi.client.layer_settings import LayerSettings


@pytest.mark.parametrize(
    "wrong",
    [{"concurrency": 0}, {"concurrency": "5"}, {"redirects": -1}, {"redirects": True}, {"max_queue": -1}, {"rate": (5,)}, {"retry": 3},
     {"cache": True}, {"layers": [1]}, {"hooks": [1]}],
)  # fmt: skip
def test_a_wrong_setting_is_named_as_the_clients(wrong):
    [name] = wrong
    with pytest.raises(ConfigError, match=rf"^Client\({name}"):
        LayerSettings(**wrong)


def test_an_async_hook_is_refused_because_nobody_would_await_it():
    async def hook(attempt):
        pass

    with pytest.raises(ConfigError, match="is not a plain function: start a task in it"):
        LayerSettings(hooks=[hook])
