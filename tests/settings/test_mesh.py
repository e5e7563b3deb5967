"""The settings of a mesh: defaults, what is refused, and how they are shown."""

from __future__ import annotations

import pytest

from asyncapi import Client, ConfigError, Mesh


def test_by_default_this_client_retries_and_the_proxy_knows_its_limits():
    chosen = Mesh()
    assert (chosen.retry, chosen.timeouts, chosen.proxy) == ("ours", True, "envoy")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"retry": "both"}, "Mesh(retry='both'): Input should be 'ours' or 'mesh'"),
        ({"proxy": "nginx"}, "Mesh(proxy='nginx'): Input should be 'envoy' or 'linkerd'"),
        ({"timeouts": "maybe"}, "Mesh(timeouts='maybe'): "),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Mesh(**wrong)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["ours", True, 4])
def test_a_client_takes_nothing_else(wrong):
    with pytest.raises(ConfigError, match="mesh="):
        Client("https://api.test", mesh=wrong)


@pytest.mark.parametrize(
    ("mesh", "text"),
    [
        (Mesh(), "this client retries, the mesh does not; it is told our time limits (envoy)"),
        (Mesh("mesh", timeouts=False, proxy="linkerd"), "the mesh retries, not this client (linkerd)"),
    ],
)
def test_explain_names_it(mesh, text, capsys):
    assert text in Client("https://api.test", mesh=mesh).explain()
    assert "mesh" not in Client("https://api.test").explain()
    capsys.readouterr()
