"""The settings of a job become those of its client."""

import pytest

from asyncapi import TLS, Adaptive, ApiKey, Basic, Bearer, ConfigError, RateLimit
from asyncapi.bulk import Job
from asyncapi.bulk.policy import _weight


def test_a_burst_replaces_a_seconds_worth():
    assert Job("a", "b", rate="100/m", burst=20).rate_limit() == RateLimit(100, per=60, burst=20)
    assert Job("a", "b", rate=RateLimit(5), burst=2).rate_limit() == RateLimit(5, burst=2)


def test_tokens_are_a_second_limit_by_the_weight_of_each_row():
    rate, tokens = Job("a", "b", rate="500/m", tokens="200000/m", weight_from="n").rate_limits()
    assert (rate.amount, rate.weight) == (500, None)
    assert (tokens.amount, tokens.per, tokens.weight) == (200_000, 60, _weight)
    assert _weight(object()) == 1.0, "a request that is no row"


@pytest.mark.parametrize(("name", "settings"), [("rate", {}), ("tokens", {"weight_from": "n"})])
def test_a_rate_that_cannot_be_read_names_its_option(name, settings):
    with pytest.raises(ConfigError, match=f"--{name}: the rate 'x' cannot be read: write 50"):
        Job("a", "b", **{name: "x"}, **settings).rate_limits()


def test_an_api_key_comes_from_the_environment_into_the_header_that_is_named(monkeypatch):
    monkeypatch.setenv("SOME_KEY", "k3y\n")
    assert "header='X-Api-Key'" in repr(Job("a", "b", api_key_env="SOME_KEY").auth())
    assert isinstance(Job("a", "b", api_key_env="SOME_KEY").auth(), ApiKey)
    assert "header='X-Custom'" in repr(Job("a", "b", api_key_env="X-Custom=SOME_KEY").auth())
    with pytest.raises(ConfigError, match="export NOT_SET=<key>"):
        Job("a", "b", api_key_env="X-Custom=NOT_SET").auth()


def test_a_user_has_a_name_and_a_password_which_may_have_colons():
    assert isinstance(Job("a", "b", user="me:pa:ss").auth(), Basic)
    with pytest.raises(ConfigError, match="write name:password") as caught:
        Job("a", "b", user="s3cr3t").auth()
    assert "s3cr3t" not in str(caught.value)


def test_no_credential_is_the_default(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "t")
    assert Job("a", "b").auth() is None
    assert isinstance(Job("a", "b", auth_env="SOME_TOKEN").auth(), Bearer)


def test_the_places_at_a_time_are_fixed_or_learned():
    assert Job("a", "b", concurrency=7).at_a_time() == 7
    assert Job("a", "b", adaptive=True).at_a_time() == Adaptive(initial=20, maximum=100)
    assert Job("a", "b", adaptive=True, concurrency=5).at_a_time() == Adaptive(initial=5, maximum=5)
    assert Job("a", "b", adaptive=True, per_host=30).at_a_time() == Adaptive(initial=20, maximum=30)


def test_a_certificate_joins_the_other_tls_settings():
    assert Job("a", "b").tls_settings() is True
    assert Job("a", "b", cert="c", key="k").tls_settings() == TLS(cert="c", key="k")
    assert Job("a", "b", cert="c", tls="ca").tls_settings() == TLS(cert="c", ca="ca")
    assert Job("a", "b", cert="c", tls=False).tls_settings() == TLS(cert="c", verify=False)
    assert Job("a", "b", cert="c", tls=TLS(min_version="1.3")).tls_settings() == TLS(cert="c", min_version="1.3")
