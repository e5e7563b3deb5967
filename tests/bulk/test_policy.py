"""The settings of a job become those of its client."""

import asyncio
import time
from collections import Counter

import pytest

from asyncapi import TLS, Adaptive, ApiKey, Basic, Bearer, ConfigError, RateLimit
from asyncapi.bulk import Job, prepare, run
from asyncapi.bulk.weights import Weights
from asyncapi.testing import MockTransport, reply


def test_a_burst_replaces_a_seconds_worth():
    assert Job("a", "b", rate="100/m", burst=20).rate_limit() == RateLimit(100, per=60, burst=20)
    assert Job("a", "b", rate=RateLimit(5), burst=2).rate_limit() == RateLimit(5, burst=2)


def test_tokens_are_a_second_limit_by_the_weight_of_each_row():
    weights = Weights()
    rate, tokens = Job("a", "b", rate="500/m", tokens="200000/m", weight_from="n").rate_limits(weights)
    assert (rate.amount, rate.weight) == (500, None)
    assert (tokens.amount, tokens.per, tokens.weight) == (200_000, 60, weights)


@pytest.mark.parametrize(
    ("settings", "begins"), [({"rate": "x"}, "the rate"), ({"tokens": "x", "weight_from": "n"}, "--tokens: the rate")]
)
def test_a_rate_that_cannot_be_read_names_its_option(settings, begins):
    with pytest.raises(ConfigError, match=f"^{begins} 'x' cannot be read: write 50"):
        Job("a", "b", **settings).rate_limits()


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
    assert Job("a", "b", per_host=3).at_a_time() == Adaptive(initial=3, minimum=3, maximum=3)
    assert Job("a", "b", adaptive=True, per_host=30).at_a_time() == Adaptive(initial=20, maximum=30)


def test_a_certificate_joins_the_other_tls_settings():
    assert Job("a", "b").tls_settings() is True
    assert Job("a", "b", cert="c", key="k").tls_settings() == TLS(cert="c", key="k")
    assert Job("a", "b", cert="c", tls="ca").tls_settings() == TLS(cert="c", ca="ca")
    assert Job("a", "b", cert="c", tls=False).tls_settings() == TLS(cert="c", verify=False)
    assert Job("a", "b", cert="c", tls=TLS(min_version="1.3")).tls_settings() == TLS(cert="c", min_version="1.3")


def served(monkeypatch, handler):
    """Let jobs send to a handler instead of a network."""
    monkeypatch.setattr(prepare, "http_transport", lambda *args, **kwargs: MockTransport(handler))


async def test_no_more_attempts_at_a_time_go_to_a_host_than_allowed(tmp_path, monkeypatch):
    now, most = Counter(), Counter()

    async def handler(request):
        host = request.url.host
        now[host] += 1
        most[host] = max(most[host], now[host])
        for _ in range(5):
            await asyncio.sleep(0)
        now[host] -= 1
        return reply(503 if request.call.why == "first" and request.url.path == "/3" else 200, json=1)

    served(monkeypatch, handler)
    (tmp_path / "in.txt").write_text("".join(f"https://{'abc'[n % 3]}/{n}\n" for n in range(300)))
    summary = await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", per_host=4, concurrency=50, retry=2))
    assert summary.ok == 300
    assert dict(most) == {"a": 4, "b": 4, "c": 4}


async def test_all_hosts_together_get_no_more_than_concurrency(tmp_path, monkeypatch):
    now = most = 0

    async def handler(request):
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        return reply(200, json=1)

    served(monkeypatch, handler)
    (tmp_path / "in.txt").write_text("".join(f"https://h{n}/\n" for n in range(300)))
    await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", per_host=4, concurrency=6))
    assert most == 6


async def test_a_certificate_reaches_its_own_transport(tmp_path, monkeypatch):
    made = []

    def make(*args, **settings):
        made.append(settings["tls"])
        return MockTransport(lambda request: reply(200, json=1))

    monkeypatch.setattr(prepare, "http_transport", make)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", cert="c.pem", tls="ca.pem"))
    assert made == [TLS(ca="ca.pem", cert="c.pem")]


@pytest.mark.parametrize(("settings", "env"), [({}, False), ({"proxy_env": True}, "proxies")])
async def test_proxies_come_from_the_environment_only_on_request_and_passwords_never(
    tmp_path, monkeypatch, settings, env
):
    made = []

    def make(*args, **settings):
        made.append(settings["trust_env"])
        return MockTransport(lambda request: reply(200, json=1))

    monkeypatch.setattr(prepare, "http_transport", make)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", **settings))
    assert made == [env]


@pytest.mark.parametrize(("redirects", "status"), [(None, 200), (0, 302), (1, 200)])
async def test_redirects_are_followed_as_often_as_allowed(tmp_path, monkeypatch, redirects, status):
    def handler(request):
        return reply(302, headers={"Location": "/2"}) if request.url.path == "/1" else reply(200, json=1)

    served(monkeypatch, handler)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    summary = await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", redirects=redirects))
    assert dict(summary.by_status) == {status: 1}


@pytest.mark.parametrize("together", [True, False])
async def test_identical_gets_are_sent_once_with_the_cache(tmp_path, monkeypatch, together):
    sent = []

    async def handler(request):
        sent.append(request.url.path)
        for _ in range(30):  # until all workers have asked
            await asyncio.sleep(0)
        return reply(200, json=1, headers={"Cache-Control": "max-age=60"})

    served(monkeypatch, handler)
    (tmp_path / "in.txt").write_text("https://h/1\n" * 20 + "https://h/2\n")
    workers = 10 if together else 1
    summary = await run(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", cache=True, concurrency=workers))
    assert sorted(sent) == ["/1", "/2"]
    assert summary.ok == 21


async def test_the_job_stops_at_the_first_row_with_a_status_of_fail_fast(tmp_path, monkeypatch):
    served(monkeypatch, lambda request: reply(401 if request.url.path == "/7" else 200, json=1))
    path = tmp_path / "in.txt"
    path.write_text("".join(f"https://h/{n}\n" for n in range(1000)))
    summary = await run(Job(path, tmp_path / "out.jsonl", fail_fast=(401, 403), concurrency=3))
    assert summary.exit_code == 1
    assert "401 (fail_fast)" in summary.stopped
    assert summary.ok < 100
    served(monkeypatch, lambda request: reply(200, json=1))
    summary = await run(Job(path, tmp_path / "out.jsonl", fail_fast=(401, 403), concurrency=3, resume=True))
    assert (summary.total, summary.stopped, summary.skipped_failed) == (1000, None, 1)


@pytest.mark.parametrize("more", [{}, {"cache": True}, {"per_host": 4}, {"ordered": True}])
async def test_tokens_are_taken_by_the_weight_of_each_row(tmp_path, monkeypatch, more):
    """A row heavier than the burst goes when the bucket is full: late, and never stuck. A redirect weighs the same."""
    sent = {}

    def handler(request):
        sent[request.url.path] = time.monotonic()
        return reply(302, headers={"Location": "/landed"}) if request.url.path == "/3" else reply(200, json=1)

    served(monkeypatch, handler)
    weights = [200, 200, 240, 200]  # the third is heavier than the burst
    (tmp_path / "in.csv").write_text("url,n\n" + "".join(f"https://h/{n},{w}\n" for n, w in enumerate(weights)))
    job = Job(
        tmp_path / "in.csv", tmp_path / "out.jsonl", tokens=RateLimit(1000, burst=200), weight_from="n", concurrency=1, **more
    )  # fmt: skip
    assert (await run(job)).ok == 4
    waited = {path: at - sent["/0"] for path, at in sent.items()}
    late = {"/1": 0.2, "/2": 0.4, "/3": 0.64, "/landed": 0.84}
    assert all(waited[path] > 0.9 * least for path, least in late.items()), waited
