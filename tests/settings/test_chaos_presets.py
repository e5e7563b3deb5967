"""Chaos by name: every preset works, is documented, and a name that is not there is told the nearest."""

from pathlib import Path

import pytest

from asyncapi import Client, ConfigError
from asyncapi.settings import chaos_presets
from asyncapi.settings.chaos import Chaos, chaos_of
from asyncapi.testing import MockTransport, reply

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"


@pytest.mark.parametrize("name", Chaos.presets())
def test_each_preset_makes_settings_and_is_documented(name):
    made = Chaos.preset(name, seed=3)
    assert made.seed == 3
    assert made != Chaos(seed=3)
    assert any(line.strip().startswith(f"{name} ") for line in (chaos_presets.__doc__ or "").splitlines())
    assert f"| `{name}` |" in DOCS.read_text()


@pytest.mark.parametrize("name", ["brown-out", "Brown Out", "brown_out", " BROWN  out "])
def test_blanks_hyphens_and_capitals_make_no_difference(name):
    assert Chaos.preset(name) == Chaos.preset("brown-out") == chaos_of(name)


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(
        ConfigError, match=r"there is no chaos 'flaky netwrok': did you mean 'flaky network'?"
    ) as caught:
        Chaos.preset("flaky netwrok")
    assert all(repr(name) in str(caught.value) for name in Chaos.presets())
    for wrong in (7, None, {"drops": 1}):
        with pytest.raises(ConfigError):
            chaos_of(wrong)
        with pytest.raises(ConfigError):
            Chaos.preset(wrong)


async def test_a_client_takes_a_name():
    async with Client("https://h", transport=MockTransport(lambda _: reply()), chaos="brown-out") as api:
        assert "chaos" in "\n".join(api._explained())
    with pytest.raises(ConfigError, match="did you mean 'slow'"):
        Client("https://h", chaos="slwo")
