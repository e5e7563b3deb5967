"""Against a server nobody here wrote: httpbin under gunicorn, on loopback, in its own process."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress

import pytest
from pydantic import BaseModel

from asyncapi import (
    Basic,
    Bearer,
    Client,
    Digest,
    NotFound,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    Retry,
    ServerError,
    Timeout,
    Unauthorized,
)

pytestmark = pytest.mark.lanes

STARTS_WITHIN = 20  # seconds
COMMAND = [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "32", "--bind", "127.0.0.1:0", "httpbin:app"]


class Echo(BaseModel):
    """What httpbin says of a request."""

    args: dict[str, str | list[str]]
    headers: dict[str, str]
    url: str
    data: str = ""
    form: dict[str, str | list[str]] = {}
    files: dict[str, str] = {}
    json_: object = None


@pytest.fixture(scope="session")
def httpbin(tmp_path_factory):
    for package in ("gunicorn", "httpbin"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    home = str(tmp_path_factory.mktemp("home"))  # gunicorn keeps a control socket there
    server = subprocess.Popen(
        COMMAND,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HOME": home},
        start_new_session=True,
    )
    too_late = threading.Timer(STARTS_WITHIN, os.killpg, (server.pid, signal.SIGKILL))
    too_late.start()
    said = []
    try:
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.skip(f"httpbin did not start: {''.join(said)[-300:]}")
        too_late.cancel()
        rest = threading.Thread(target=server.stderr.read)  # so that it never waits for a reader of its log
        rest.start()
        yield found[1]
    finally:
        too_late.cancel()
        with suppress(ProcessLookupError):  # it did not start
            os.killpg(server.pid, signal.SIGKILL)  # with its worker, which may have slow answers under way
        server.wait(10)
    rest.join(10)
    server.stderr.close()


@pytest.fixture
async def api(httpbin):
    async with Client(httpbin, timeout=Timeout(20)) as api:
        yield api


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
async def test_verbs(api, verb):
    answer = await getattr(api, verb)(f"/{verb}", params={"a": [1, 2]}, headers={"X-A": "b"}, model=Echo)
    assert answer.args == {"a": ["1", "2"]}
    assert answer.headers["X-A"] == "b"


async def test_head_and_options(api):
    assert (await api.head("/get")).content == b""
    assert "GET" in (await api.options("/get")).headers["Allow"]


async def test_bodies(api, tmp_path):
    (tmp_path / "f.txt").write_text("content")
    assert (await api.post("/post", json={"a": [1]})).json()["json"] == {"a": [1]}
    assert (await api.post("/post", data={"a": ["1", "2"]}, model=Echo)).form == {"a": ["1", "2"]}
    sent = await api.post("/post", files={"f": tmp_path / "f.txt"}, data={"b": "c"}, model=Echo)
    assert (sent.files, sent.form) == ({"f": "content"}, {"b": "c"})
    assert (await api.put("/put", content="é" * 100_000, model=Echo)).data == "é" * 100_000
    assert (
        await api.post("/post", content=[b"in ", b"chunks"], headers={"Content-Type": "text/plain"}, model=Echo)
    ).data == "in chunks"


@pytest.mark.parametrize(("path", "mark"), [("/gzip", "gzipped"), ("/deflate", "deflated"), ("/brotli", "brotli")])
async def test_compressed_answers(api, path, mark):
    if mark == "brotli" and not (importlib.util.find_spec("brotli") or importlib.util.find_spec("brotlicffi")):
        pytest.skip("brotli is not installed")
    assert (await api.get(path)).json()[mark] is True


@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
async def test_redirects(api, kind):
    answer = await api.get(f"/{kind}/3")
    assert answer.url.path == "/get"
    assert [attempt.status for attempt in answer.attempts] == [302, 302, 302, 200]
    with pytest.raises(ProtocolError, match="more than 10 redirects"):
        await api.get(f"/{kind}/11")


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_redirects_by_status(api, status, method):
    target = "/get" if method == "GET" else "/post"
    answer = await api.post("/redirect-to", params={"url": target, "status_code": status}, json={"a": 1})
    assert answer.url.path == target
    assert answer.json().get("json") == ({"a": 1} if method == "POST" else None)


async def test_cookies_are_kept_only_if_asked(httpbin):
    for keep in (False, True):
        async with Client(httpbin.replace("127.0.0.1", "localhost"), cookies=keep) as api:
            await api.get("/cookies/set", params={"a": "b"})
            assert (await api.get("/cookies")).json()["cookies"] == ({"a": "b"} if keep else {})


async def test_basic_auth(api, httpbin):
    assert (await api.get(f"{httpbin.replace('//', '//me:p%40w@')}/basic-auth/me/p%40w")).json()["user"] == "me"
    header = {"Authorization": f"Basic {base64.b64encode(b'me:pw').decode()}"}
    assert (await api.get("/basic-auth/me/pw", headers=header)).json()["authenticated"] is True
    with pytest.raises(Unauthorized):
        await api.get("/basic-auth/me/pw")


async def test_basic_and_bearer_credentials(httpbin):
    async with Client(httpbin, auth=Basic("me", "p@w ü")) as api:
        assert (await api.get("/basic-auth/me/p%40w%20%C3%BC")).json()["user"] == "me"
        with pytest.raises(Unauthorized):
            await api.get("/basic-auth/me/other")
    async with Client(httpbin, auth=Bearer("a-token")) as api:
        assert (await api.get("/bearer")).json() == {"authenticated": True, "token": "a-token"}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
async def test_digest_credentials(httpbin, qop, algorithm):
    path = f"/digest-auth/{qop}/me/pw/{algorithm}"
    async with Client(httpbin, auth=Digest("me", "pw"), retry=None) as api:
        for _ in range(3):
            assert (await api.get(path)).json()["user"] == "me"
        assert api.stats.attempts == 4
    async with Client(httpbin, auth=Digest("me", "pw"), retry=None, cookies=True) as api:
        for _ in range(5):  # with its cookies, it makes each nonce stale after two
            assert (await api.get(f"{path}/2")).json()["user"] == "me"
    async with Client(httpbin, auth=Digest("me", "wrong")) as api:
        with pytest.raises(Unauthorized):
            await api.get(path)
        assert api.stats.attempts == 2


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (429, RateLimited), (500, ServerError), (503, ServerError)]
)
async def test_status_codes(api, status, kind):
    with pytest.raises(kind) as caught:
        await api.get(f"/status/{status}", retry=Retry(2, base=0))
    assert caught.value.status == status
    assert len(caught.value.attempts) == (1 if status == 404 else 2)


@pytest.mark.parametrize("status", [200, 201, 204, 304])
async def test_statuses_that_are_no_errors(api, status):
    assert (await api.get(f"/status/{status}")).status == status


async def test_streamed_and_chunked_answers(api):
    lines = (await api.get("/stream/20")).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(20))
    assert len((await api.get("/stream-bytes/100000", params={"chunk_size": 999})).content) == 100_000
    assert len((await api.get("/bytes/100000")).content) == 100_000


async def test_slow_answers_and_their_limits(api):
    answer = await api.get("/drip", params={"duration": 0.5, "numbytes": 5, "delay": 0})
    assert answer.content == b"*****"
    for path, phase in (("/delay/5", "headers"), ("/drip?duration=9&numbytes=9&delay=0", "body")):
        with pytest.raises(RequestTimeout) as caught:
            await api.get(path, timeout=Timeout(20, attempt=0.3), retry=None)
        assert caught.value.phase == phase


async def test_encodings_and_other_content(api):
    assert "∮ E⋅da" in (await api.get("/encoding/utf8")).text
    assert (await api.get("/image/png")).content.startswith(b"\x89PNG")
    assert (await api.get("/json")).json()["slideshow"]["title"] == "Sample Slide Show"
    assert (await api.get("/base64/aGVsbG8=")).text == "hello"


async def test_a_fan_out(api):
    uuids = await api.gather(["/uuid"] * 100)
    assert len({answer.json()["uuid"] for answer in uuids}) == 100


def test_a_file_of_hundreds_of_urls_through_the_command_line(httpbin, tmp_path, lane):
    """All of its kinds, once each in the output, with the outcome that httpbin gives it."""
    paths = {
        "/get?n={}": 200, "/anything/{}": 200, "/gzip?n={}": 200, "/deflate?n={}": 200, "/json?n={}": 200,
        "/status/404?n={}": 404, "/status/201?n={}": 201, "/redirect/2?n={}": 200, "/bytes/{}": 200,
        "/stream-bytes/{}": 200, "/html?n={}": 200, "/encoding/utf8?n={}": 200, "/status/500?n={}": 500,
        "/uuid?n={}": 200, "/headers?n={}": 200,
    }  # fmt: skip
    urls = [f"{httpbin}{path.format(number)}" for number in range(1, 26) for path in paths]
    (tmp_path / "urls.txt").write_text("\n".join(urls) + "\n")
    main = "from asyncapi.cli import main; main()"
    command = [sys.executable, "-c", main, "fetch", "urls.txt", "-o", "out.jsonl", "--quiet", "--retry", "1"]
    command += ["--transport", lane]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr  # some rows failed, as they should
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert Counter(row["url"] for row in rows) == Counter(urls)
    expected = Counter(status for status in paths.values() for _ in range(25))
    assert Counter(row["status"] for row in rows) == expected
    assert all(row["ok"] == (row["status"] < 400) for row in rows)
