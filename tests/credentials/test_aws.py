"""AWS Signature V4: the signatures of AWS' documentation and of botocore, clocks, and what is hashed."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import re
import sys
import threading
import traceback
from email.utils import formatdate

import pytest

from asyncapi import AWSSigV4, Client, ConfigError, Env, File, Forbidden, KeyPool, Mesh, Retry
from asyncapi.testing import MockTransport, reply, run
from aws_bucket import ID, SECRET, Bucket, given, key_of, signature

botocore = pytest.importorskip("botocore")

from botocore import auth as botocore_auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

CANARY = "canary" + "bird"

pytestmark = pytest.mark.usefixtures("no_aws_around")


# -- signatures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "headers", "content", "names", "expected"),
    [
        (
            "GET", "/test.txt", {"Range": "bytes=0-9"}, None, "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test$file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET", "/?lifecycle", {}, None, "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET", "/?max-keys=2&prefix=J", {}, None, "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)  # fmt: skip
def test_the_examples_of_aws_documentation(method, url, headers, content, names, expected):
    """Amazon S3 API Reference, "Signature Calculations for the Authorization Header", its four examples."""

    async def scenario():
        bucket = Bucket(epoch=dt.datetime(2013, 5, 24, tzinfo=dt.UTC).timestamp())
        async with bucket.client(given(), base="https://examplebucket.s3.amazonaws.com") as api:
            await api.request(method, url, headers=headers, content=content)
        [sent] = bucket.seen
        assert sent.headers["Authorization"] == (
            f"AWS4-HMAC-SHA256 Credential={ID}/20130524/us-east-1/s3/aws4_request, SignedHeaders={names}, Signature={expected}"
        )
        assert sent.headers["X-Amz-Date"] == "20130524T000000Z"

    run(scenario())


def test_what_a_mesh_is_asked_is_not_signed_because_the_mesh_takes_it_out():
    async def scenario():
        bucket = Bucket()
        async with bucket.client(given(), base="https://b.s3.amazonaws.com", mesh=Mesh()) as api:
            await api.get("/key", headers={"l5d-timeout": "1s", "X-Mine": "1"})
        [sent] = bucket.seen
        assert sent.headers["x-envoy-max-retries"] == "0"
        assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-mine," in sent.headers["Authorization"]

    run(scenario())


REQUESTS = [
    ("GET", "https://h/", {}),
    ("GET", "https://h", {}),
    ("GET", "http://h:8080/a/b", {}),
    ("GET", "https://[::1]:8443/x", {}),
    ("GET", "https://xn--bcher-kva.example/", {}),
    ("HEAD", "https://h/a%20b/c+d", {}),
    ("DELETE", "https://h/日本/é?versionId=1%2F2", {}),
    ("GET", "https://h/?prefix=a+b&delimiter=%2F&marker=x%26y&z", {}),
    ("GET", "https://h/?b=2&a=2&a=1&A=0&list-type=2", {}),
    ("GET", "https://h//double//slash/", {}),
    ("GET", "https://h/a%2Fb?q=~%7E*'()", {}),
    ("PUT", "https://h/k", {"content": b"x" * 10}),
    ("PUT", "https://h/k", {"content": b""}),
    ("POST", "https://h/k", {"json": {"a": [1, "é"]}}),
    ("POST", "https://h/k", {"data": {"Action": "List All", "Version": "1"}}),
    ("GET", "https://h/k", {"headers": {"X-Amz-Meta-Odd": "  many   spaces ", "Range": "bytes=0-1", "X-B": "é"}}),
    ("GET", "https://h/k", {"headers": [("X-Twice", "b"), ("X-Twice", "a"), ("Accept-Encoding", "identity")]}),
    ("GET", "https://h/k", {"headers": {"Host": "bucket.example:81", "Traceparent": "00-1-2-01"}}),
]


@pytest.mark.parametrize("token", [None, "the/token+=="])
@pytest.mark.parametrize("service", ["s3", "execute-api"])
@pytest.mark.parametrize(("method", "url", "extra"), REQUESTS, ids=[f"{m} {u} {[*e]}" for m, u, e in REQUESTS])
def test_botocore_would_have_signed_what_goes_out_in_the_same_way(method, url, extra, service, token, monkeypatch):
    async def scenario():
        bucket = Bucket()
        async with bucket.client(given(service, "eu-west-1", session_token=token), base="") as api:
            await api.request(method, url, **extra)
        return bucket.seen[0], bucket.bodies[0]

    sent, body = run(scenario())
    when = dt.datetime.strptime(sent.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda *_, **__: when)
    added = {"Authorization", "X-Amz-Date", "Content-Length"}
    headers = [(name, value) for name, value in sent.headers.items() if name not in added]

    class Pairs(list):
        items = list.copy

    theirs = AWSRequest(method, str(sent.url), Pairs(headers), body)
    made = {"s3": botocore_auth.S3SigV4Auth, "execute-api": botocore_auth.SigV4Auth}[service]
    made(Credentials(ID, SECRET, token), service, "eu-west-1").add_auth(theirs)
    assert theirs.headers["Authorization"] == sent.headers["Authorization"]
    assert theirs.headers["X-Amz-Content-SHA256"] == sent.headers["X-Amz-Content-Sha256"]
    assert sent.headers.get("X-Amz-Security-Token") == token
    names = re.search(r"SignedHeaders=([^,]+)", sent.headers["Authorization"])[1].split(";")
    assert {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names)
    assert "user-agent" not in names


# -- bodies --------------------------------------------------------------------------------------------------------


async def pieces():
    yield b"one "
    yield b"two"


@pytest.mark.parametrize(
    ("service", "base", "content", "expected"),
    [
        ("s3", "https://h", b"x" * 3_000_000, b"x" * 3_000_000),
        ("s3", "https://h", pieces, "UNSIGNED-PAYLOAD"),
        ("s3", "https://h", "file", "UNSIGNED-PAYLOAD"),
        ("s3", "http://h", "file", b"in a file"),
        ("s3", "http://h", pieces, "UNSIGNED-PAYLOAD"),
        ("es", "https://h", "file", b"in a file"),
        ("es", "https://h", [b"a", b"b"], b"ab"),
        ("es", "https://h", b"", b""),
        ("es", "https://h", None, b""),
    ],
)
def test_the_hash_of_a_body(service, base, content, expected, tmp_path):
    if content == "file":
        content = tmp_path / "file"
        content.write_bytes(b"in a file")

    async def scenario():
        bucket = Bucket()
        async with bucket.client(given(service), base=base) as api:
            await api.put("/k", content=content() if content is pieces else content)
        [sent], [body] = bucket.seen, bucket.bodies
        said = expected if isinstance(expected, str) else hashlib.sha256(expected).hexdigest()
        assert sent.headers["X-Amz-Content-Sha256"] == said
        if isinstance(expected, bytes):
            assert body == expected

    run(scenario())


def test_a_large_body_is_hashed_outside_the_loop(monkeypatch):
    where = []
    hashed = hashlib.sha256

    def sha256(data=b"", **extra):
        if len(data) > 1000:
            where.append(threading.current_thread())
        return hashed(data, **extra)

    async def scenario():
        async with Bucket().client(given()) as api:
            await api.put("/k", content=bytes(2_000_000))

    monkeypatch.setattr(hashlib, "sha256", sha256)
    run(scenario())
    assert where
    assert threading.main_thread() not in where


def test_a_stream_that_can_not_be_read_twice_is_refused_where_its_hash_is_needed():
    async def scenario():
        bucket = Bucket()
        async with bucket.client(given("es")) as api:
            with pytest.raises(ConfigError, match="a stream can't be read twice: give bytes or a file"):
                await api.put("/k", content=pieces())
        assert bucket.seen == []

    run(scenario())


@pytest.mark.parametrize(("body", "said"), [(["text"], "yields str, not bytes"), ([b"a", None], "yields NoneType")])
def test_a_body_that_fails_while_it_is_hashed_is_a_config_error(body, said):
    async def scenario():
        bucket = Bucket()
        async with bucket.client(given("es")) as api:
            with pytest.raises(ConfigError, match=said):
                await api.put("/k", content=body)
        assert bucket.seen == []

    run(scenario())


def test_a_hash_that_the_call_gives_is_signed_as_it_is():
    async def scenario():
        bucket = Bucket()
        async with bucket.client(given("vpc-lattice-svcs")) as api:
            await api.put("/k", content=pieces(), headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        assert bucket.seen[0].headers.getall("X-Amz-Content-Sha256") == ["UNSIGNED-PAYLOAD"]
        assert bucket.bodies == [b"one two"]

    run(scenario())


# -- attempts ------------------------------------------------------------------------------------------------------


def test_every_attempt_is_signed_anew_with_all_that_was_written_to_it():
    async def scenario():
        bucket = Bucket(503, 503, 200)
        async with bucket.client(given(), retry=Retry(base=100.0), attempt_header="X-Try") as api:
            answer = await api.get("/k")
        dates = [request.headers["X-Amz-Date"] for request in bucket.seen]
        assert len({*dates}) == len({signature(request) for request in bucket.seen}) == 3
        assert all("x-try" in request.headers["Authorization"] for request in bucket.seen)
        assert [name for name in answer.request.headers if name.startswith("X-Amz")] == []
        assert "Authorization" not in answer.request.headers
        assert str(answer.url) == "https://h/k"

    run(scenario())


def test_a_clock_that_is_refused_is_corrected_once_for_all():
    async def scenario():
        bucket = Bucket()
        hour = 3600.0

        async def server(request):
            bucket.seen.append(request)
            await asyncio.sleep(0.01)
            now = bucket.clock.wall() + hour
            signed = dt.datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
            ok = abs(signed.timestamp() - now) < 300
            return reply(
                200 if ok else 403, headers={"Date": formatdate(now, usegmt=True)}, content=b"RequestTimeTooSkewed"
            )

        transport = MockTransport(server, clock=bucket.clock)
        async with Client("https://h", auth=given(), transport=transport, clock=bucket.clock, retry=None) as api:
            answers = await api.gather(["/k"] * 20)
            assert [each.why for each in answers[0].attempts] == ["first", "auth: 403, the clock corrected"]
            assert {answer.status for answer in answers} == {200}
            assert len(bucket.seen) == 40
            await api.get("/k")
            assert len(bucket.seen) == 41

    run(scenario())


def test_a_server_whose_date_is_never_right_gets_two_attempts():
    async def scenario():
        dates = iter([formatdate(n * 1e6, usegmt=True) for n in range(9)])
        bucket = Bucket(*(reply(403, headers={"Date": next(dates)}) for _ in range(4)))
        async with bucket.client(given()) as api:
            with pytest.raises(Forbidden):
                await api.get("/k")
        assert len(bucket.seen) == 2

    run(scenario())


@pytest.mark.parametrize(
    "own", [{"headers": {"Authorization": "AWS4 mine"}}, {"params": {"X-Amz-Signature": "1", "X-Amz-Date": "2"}}]
)
def test_what_is_signed_already_is_left_alone(own):
    async def scenario():
        bucket = Bucket(403)
        async with bucket.client(given()) as api:
            with pytest.raises(Forbidden):
                await api.get("/k", **own)
        [sent] = bucket.seen
        assert sent.headers.get("Authorization") == own.get("headers", {}).get("Authorization")
        assert "X-Amz-Date" not in sent.headers

    run(scenario())


# -- keys ----------------------------------------------------------------------------------------------------------


def test_given_keys_are_read_where_they_are_and_again_when_they_are_refused(monkeypatch, tmp_path):
    async def scenario():
        monkeypatch.setenv("ID", "one")
        (tmp_path / "secret").write_text("first\n")
        bucket = Bucket()

        def server(request):
            bucket.seen.append(request)
            monkeypatch.setenv("ID", "two")
            return reply(403, content=b"<Code>InvalidAccessKeyId</Code>") if len(bucket.seen) == 1 else reply()

        keys = AWSSigV4(
            "es", "r", access_key=Env("ID"), secret_key=File(tmp_path / "secret"), session_token=lambda: "t"
        )
        async with Client("https://h", auth=keys, transport=MockTransport(server)) as api:
            answer = await api.get("/")
        assert [key_of(request) for request in bucket.seen] == ["one", "two"]
        assert answer.attempts[-1].why == "auth: 403, other AWS keys"
        assert bucket.seen[0].headers["X-Amz-Security-Token"] == "t"

    run(scenario())


def test_given_keys_that_do_not_change_are_not_tried_twice():
    async def scenario():
        bucket = Bucket(reply(403, content=b"<Code>InvalidAccessKeyId</Code>"))
        async with bucket.client(given()) as api:
            with pytest.raises(Forbidden):
                await api.get("/")
        assert len(bucket.seen) == 1

    run(scenario())


def test_a_pool_of_aws_keys_goes_on_with_another():
    async def scenario():
        bucket = Bucket(403, 200)
        pool = KeyPool([AWSSigV4("s3", "r", access_key=name, secret_key="s") for name in ("a", "b")])
        async with bucket.client(pool) as api:
            assert (await api.get("/")).status == 200
        assert [key_of(request) for request in bucket.seen] == ["a", "b"]

    run(scenario())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: AWSSigV4(""), "give the service's signing name"),
        (lambda: AWSSigV4("s3"), "no region: give it"),
        (lambda: AWSSigV4("s3", "eu west"), "not valid names of a service and a region"),
        (lambda: AWSSigV4("s3/x", "r"), "not valid names of a service and a region"),
        (lambda: AWSSigV4("s3", "r", access_key="a", secret_key=f"{CANARY}\n"), "was something else copied with it"),
        (lambda: given(session_token=f"{CANARY}\r\nX: y"), "was something else copied with it"),
        (lambda: AWSSigV4("s3", "r", access_key=CANARY), "access_key and secret_key go together"),
        (lambda: AWSSigV4("s3", "r", session_token=CANARY), "session_token with them"),
        (lambda: given(profile="x"), "only one of the three"),
        (lambda: given(credentials=Credentials("a", CANARY)), "only one of the three"),
        (lambda: AWSSigV4("s3", "r", credentials=CANARY), r"credentials is str: give boto3\.Session\(\)"),
        (lambda: AWSSigV4("s3", profile="nobody"), "nobody"),
        (lambda: AWSSigV4("s3", "r", access_key="a", secret_key=""), "secret_key is empty"),
    ],
)
def test_settings_that_do_not_go_together(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert CANARY not in str(caught.value)


def test_without_botocore_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[aws\]'"):
        given()


def test_nothing_secret_shows(caplog):
    """Secret and session token in what is logged (botocore's DEBUG too), raised, recorded and shown."""

    async def scenario():
        echo = f"<CanonicalRequest>x-amz-security-token:{CANARY}token</CanonicalRequest>".encode()
        bucket = Bucket(200, reply(403, content=echo))
        auth = AWSSigV4("s3", "r", access_key=ID, secret_key=CANARY, session_token=f"{CANARY}token")
        records = []
        async with bucket.client(auth, hooks=[records.append]) as api:
            answer = await api.get("/")
            said = [repr(auth), api.explain(), repr(answer.attempts), repr(answer.request.headers), repr(records)]
            with pytest.raises(Forbidden) as caught:
                await api.get("/")
            said += [
                "".join(traceback.format_exception(caught.value)),
                repr(caught.value.__dict__),
                caught.value.response.text,
            ]
        assert bucket.seen[0].headers["X-Amz-Security-Token"] == f"{CANARY}token"
        return " ".join(said)

    with caplog.at_level(logging.DEBUG):
        text = run(scenario()) + caplog.text
    assert CANARY not in text
    assert "AWS Signature V4 for s3 in r, keys given (***)" in text
