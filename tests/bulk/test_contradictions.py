"""Settings of a job that contradict each other are refused before anything is done, in a sentence that helps."""

import pytest

from asyncapi import TLS, ConfigError
from asyncapi.bulk import Job


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"auth_env": "A", "user": "u:p"}, "--auth-env and --user each say who calls: give one of them"),
        ({"auth_env": "A", "user": "u:p", "api_key_env": "B"}, "--auth-env, --user and --api-key-env each say"),
        ({"json": {}, "data": "x"}, "--json and --data are both the body: give one"),
        ({"key": "k.pem"}, "--key is the private key of a certificate: give .* --cert FILE"),
        ({"cert": "c.pem", "tls": TLS(cert="d.pem")}, "--cert is there twice"),
        ({"proxy": "http://p", "proxy_env": True}, "--proxy names a proxy"),
        ({"burst": 5}, "give --rate too"),
        ({"weight_from": "n"}, "--tokens 200000/m"),
        ({"tokens": "5/s"}, "--weight-from COLUMN"),
        ({"retry_failed": True, "overwrite": True}, "--retry-failed .* --overwrite"),
        ({"include_unknown": True}, "give --retry-failed too"),
        ({"retry_failed": True, "limit": 5}, "leave --limit out"),
        ({"save_dir": "d", "cache_store": "c"}, "--save-dir .* --cache-store"),
        ({"save_dir": "d", "select": ("a",)}, "--save-dir .* --select"),
        ({"save_dir": "d", "model": "m:M"}, "--save-dir .* --model"),
    ],
)
def test_a_contradiction_says_what_to_do(settings, says):
    with pytest.raises(ConfigError, match=says) as caught:
        Job("a", "b", **settings)
    assert str(caught.value).startswith("--"), "in the words of the command line, nothing before them"
    assert "p" not in str(caught.value).split("u:")[1:], "no secret"


def test_what_goes_together_is_taken():
    Job("a", "b", rate="5", burst=3, tokens="9/m", weight_from="n", user="u:p", cert="c", key="k", json="{}")
    Job("a", "b", retry_failed=True, include_unknown=True, resume=True)
