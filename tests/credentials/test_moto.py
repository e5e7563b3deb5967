"""AWS Signature V4 against an S3, IAM and STS that nobody here wrote (moto), in a process of its own on loopback.

moto makes each signature anew from what came over the wire, with botocore's signer and the secret that it knows.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from yarl import URL

from asyncapi import AWSSigV4, Client, Forbidden, NotFound, Retry, StatusError

pytestmark = pytest.mark.lanes

STARTS_WITHIN = 30  # seconds
KEYS = [
    "plain", "with space", "plus+plus", "a/b//c/", "日本/é", "100%", "percent%2Fencoded", "q?&=#;", "~!$'()*,:@",
    "tab\there", "dots/a..b", '[x]{y}|z^`"<>\\', "space at the end ",
]  # fmt: skip


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """(URL, a user's key, its secret): of a server that checks signatures."""
    for package in ("moto", "flask_cors", "botocore"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = tmp_path_factory.mktemp("moto") / "port"
    env = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "support/moto_aws.py"), str(port)],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not (port.exists() and port.read_text()):
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip("moto did not start")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port.read_text()}"
    finally:
        process.kill()
        process.communicate()


def texts(content: bytes, name: str) -> list[str]:
    """The texts of all elements of this name."""
    return [each.text or "" for each in ET.fromstring(content).iter() if each.tag.rpartition("}")[2] == name]


async def ask(api, action, **fields):
    return await api.post("/", data={"Action": action, "Version": "2010-05-08", **fields})


@pytest.fixture
async def user(aws):
    """A user who may do anything, and their keys; from then on every signature is checked."""
    nobody = AWSSigV4("iam", "us-east-1", access_key="AKIANOBODY", secret_key="x")
    async with Client(aws, auth=nobody, retry=None) as api:
        await api.post("/moto-api/reset")
        await api.post("/moto-api/reset-auth", content=b"4")
        await ask(api, "CreateUser", UserName="ada")
        made = await ask(api, "CreateAccessKey", UserName="ada")
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        await ask(api, "PutUserPolicy", UserName="ada", PolicyName="all", PolicyDocument=policy)
        await ask(
            api,
            "CreateRole",
            RoleName="worker",
            AssumeRolePolicyDocument=policy.replace('"Resource":"*"', '"Principal":{"AWS":"*"}'),
        )
    [key], [secret] = texts(made.content, "AccessKeyId"), texts(made.content, "SecretAccessKey")
    return {"access_key": key, "secret_key": secret}


def s3(aws, keys, **settings) -> Client:
    return Client(aws, auth=AWSSigV4("s3", "us-east-1", **keys), retry=None, **settings)


async def test_objects_are_put_got_listed_and_deleted_whatever_their_keys_are(aws, user):
    async with s3(aws, user) as api:
        await api.put("/bucket")
        for key in KEYS:
            await api.put(place(aws, key), content=key.encode())
        for key in KEYS:
            assert (await api.get(place(aws, key))).content == key.encode(), key
            assert (await api.head(place(aws, key))).headers["Content-Length"] == str(len(key.encode()))
        listed = await api.get("/bucket", params={"list-type": "2", "max-keys": "1000"})
        assert sorted(texts(listed.content, "Key")) == sorted(KEYS)
        for prefix in ("with s", "plus+", "日本/", "q?&=", "a/b//"):
            found = await api.get("/bucket", params={"list-type": 2, "prefix": prefix, "delimiter": "|"})
            assert texts(found.content, "Key") == [key for key in KEYS if key.startswith(prefix)], prefix
        for key in KEYS:
            await api.delete(place(aws, key))
        assert texts((await api.get("/bucket/?list-type=2")).content, "Key") == []
        with pytest.raises(NotFound):
            await api.get("/bucket/plain")


def place(aws, key):
    return URL(f"{aws}/bucket/{quote(key)}", encoded=True)


async def test_an_object_is_empty_ranged_and_has_headers_of_its_own(aws, user):
    async with s3(aws, user) as api:
        await api.put("/bucket")
        await api.put("/bucket/empty", content=b"")
        assert (await api.get("/bucket/empty")).content == b""
        meta = {"x-amz-meta-note": "  two  spaces ", "Cache-Control": "no-cache"}
        await api.put("/bucket/k", content=b"0123456789", headers=meta)
        part = await api.get("/bucket/k", headers={"Range": "bytes=2-4"})
        assert (part.status, part.content) == (206, b"234")
        assert (await api.head("/bucket/k")).headers["Cache-Control"] == "no-cache"
        await api.put("/bucket/copy", headers={"x-amz-copy-source": "/bucket/k"})
        assert (await api.get("/bucket/copy")).content == b"0123456789"


async def test_a_body_is_streamed_up(aws, user, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))

    async def pieces():
        for start in range(0, 3_000_000, 100_000):
            yield file.read_bytes()[start : start + 100_000]

    async with s3(aws, user) as api:
        await api.put("/bucket")
        await api.put("/bucket/file", content=file)
        await api.put("/bucket/bytes", content=file.read_bytes())
        await api.put("/bucket/stream", content=pieces(), headers={"Content-Length": "3000000"})
        for key in ("file", "bytes", "stream"):
            assert (await api.get(f"/bucket/{key}")).content == file.read_bytes()


async def test_what_the_wrong_keys_sign_is_refused(aws, user):
    async with s3(aws, user) as api:
        await api.put("/bucket")
    for wrong, said in (
        ({"secret_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"access_key": "AKIAWRONG"}, "InvalidAccessKeyId"),
        ({"session_token": "wrong"}, "InvalidToken"),
    ):
        async with s3(aws, user | wrong) as api:
            with pytest.raises(StatusError) as caught:
                await api.get("/bucket")
            assert f"<Code>{said}</Code>" in caught.value.response.text
            assert len(caught.value.attempts) == 1


async def test_what_is_changed_on_the_way_is_refused(aws, user):
    """The checks of this server bite: a query, path or header that was not signed."""
    async with s3(aws, user) as api:
        await api.put("/bucket")
        signed = api._state.keyring._by_origin.popitem()[1]
    for change in (
        lambda made: made.copy(url=made.url.update_query(prefix="b")),
        lambda made: made.copy(url=made.url.with_path("/other")),
        lambda made: made.copy(method="PUT"),
    ):

        class Meddled:
            max_resends = 0
            fetch_signature, on_response, describe = signed.fetch_signature, signed.on_response, signed.describe

            def cached_signature(self, request, context, change=change):
                signature = signed.cached_signature(request, context)
                return replace(signature, sign=lambda made, now: change(signature.sign(made, now)))

        async with Client(aws, auth=Meddled(), retry=None) as api:
            with pytest.raises(Forbidden) as caught:
                await api.get("/bucket")
            assert "SignatureDoesNotMatch" in caught.value.response.text


async def test_a_role_is_assumed_by_the_chain_and_its_keys_are_used(aws, user, tmp_path, monkeypatch):
    """A profile with a role: botocore asks STS for temporary keys, in its thread; S3 takes them with their token."""
    (tmp_path / "config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/worker\nsource_profile = ada\nregion = us-east-1\n"
        f"services = here\n[services here]\nsts =\n  endpoint_url = {aws}\n"
    )
    (tmp_path / "credentials").write_text(
        f"[ada]\naws_access_key_id = {user['access_key']}\naws_secret_access_key = {user['secret_key']}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)
    auth = AWSSigV4("s3", profile="role")
    async with Client(aws, auth=auth, retry=None) as api:
        with pytest.raises(StatusError) as caught:
            await api.get("/bucket")
        assert "AccessDenied" in caught.value.response.text  # the role may do nothing: its signature was right
    async with Client(aws, auth=AWSSigV4("iam", "us-east-1", **user)) as api:
        everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        await ask(api, "PutRolePolicy", RoleName="worker", PolicyName="all", PolicyDocument=everything)
    async with Client(aws, auth=auth, retry=Retry(1)) as api:
        await api.put("/bucket")
        answers = await api.gather(["/bucket?list-type=2"] * 20)
        assert {answer.status for answer in answers} == {200}


async def test_services_that_are_not_s3(aws, user):
    async with Client(aws, auth=AWSSigV4("sts", "us-east-1", **user), retry=None) as api:
        who = await api.post("/", data={"Action": "GetCallerIdentity", "Version": "2011-06-15"})
        assert re.search(r"<Arn>arn:aws:iam::\d+:user/ada</Arn>", who.text)
    wrong = user | {"secret_key": "wrong"}
    async with Client(aws, auth=AWSSigV4("iam", "us-east-1", **wrong), retry=None) as api:
        with pytest.raises(Forbidden, match="403"):
            await ask(api, "ListUsers")
