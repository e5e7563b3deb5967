"""Canaries in every kind of credential, and everything read that comes out: no secret shows anywhere."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import traceback
import warnings
from urllib.parse import quote

import pytest
from aiohttp import web

from asyncapi import Alert, ApiKey, AsyncAPIError, BadRequest, Basic, Bearer, Cache, Client, Retry
from asyncapi.clock import SYSTEM
from asyncapi.trace import Recorder
from asyncapi.transports.factory import http_transport
from asyncapi.watch import Logs, OpenTelemetry, Prometheus
from servers import application

pytest.importorskip("cryptography")
from kinds import CANARY, KINDS, PRIVATE, make

pytestmark = pytest.mark.lanes


def secrets_of(auth) -> list[str]:
    """What must not show, in every form in which it is sent or kept."""
    given = [CANARY, *(line for line in PRIVATE.splitlines() if "-" not in line)]
    given += [base64.b64encode(f"{user}:{CANARY}".encode()).decode() for user in ("me", "user")]
    given += [base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1], CANARY[::-1]]
    proofs = getattr(getattr(auth, "_server", None), "proofs", None)
    return given if proofs is None else [*given, json.loads(proofs.key)["d"]]


class Watched:
    """All watchers there are, writing into memory."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from prometheus_client import CollectorRegistry

        self.spans, self.metrics, self.registry = InMemorySpanExporter(), InMemoryMetricReader(), CollectorRegistry()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.alerts: list[object] = []
        self.all = [
            OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([self.metrics])),
            Prometheus(self.registry),
            Logs(),
            Alert(when="error_rate > 0%", at_least=1, over=60, notify=self.alerts.append),
        ]

    def said(self) -> dict[str, object]:
        from prometheus_client import generate_latest

        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        return {
            "spans": spans,
            "metrics": self.metrics.get_metrics_data().to_json(),
            "prometheus": generate_latest(self.registry),
            "alerts": self.alerts,
        }


def with_locals(error: BaseException) -> str:
    """The traceback as error trackers send it: with the variables of every frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


class Api:
    """An API and its token endpoint; `outcome` says how calls end. What it was sent proves that there was a secret."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        self.came = ""

    async def token(self, request):
        await request.post()
        self.came += f"{request.headers} {await request.text()}"
        if self.outcome == "no token":
            request.transport.abort()
        if self.outcome == "token refused":
            return web.json_response({"error": "invalid_client", "error_description": self.came}, status=401)
        kind = "DPoP" if "DPoP" in request.headers else "Bearer"
        return web.json_response(
            {"access_token": CANARY, "token_type": kind, "refresh_token": CANARY, "id_token": CANARY}
        )

    async def any(self, request):
        sent = f"{dict(request.headers)} {request.path_qs}"
        self.came += sent
        match self.outcome:
            case "ok" | "no token" | "token refused":
                return web.Response(text="fine")
            case "challenged":
                if "Authorization" in request.headers:
                    return web.Response(status=500, text=sent)
                challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
                return web.Response(status=401, text=sent, headers={"WWW-Authenticate": challenge})
            case "cut":
                request.transport.abort()
                return web.Response()
            case "redirected":
                if request.path == "/there":
                    return web.Response(text="fine")
                return web.Response(status=302, headers={"Location": f"/there?{request.query_string}"})
            case "moved to nowhere":
                return web.Response(status=302, headers={"Location": f"ftp://nowhere/?{request.query_string}"})
            case "garbage":
                request.transport.write(b"HTTP/9 what\r\n\r\n")
                return web.Response()
            case status:
                return web.Response(status=int(status), text=sent, headers={"X-Echo": "1"})

    def routes(self):
        return [web.post("/token", self.token), web.route("*", "/{any:.*}", self.any)]


OUTCOMES = ["ok", "400", "401", "403", "429", "503", "cut", "garbage", "redirected", "moved to nowhere", "challenged"]
OUTCOMES += ["no token", "token refused"]


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_shows(kind, outcome, caplog, capsys, tmp_path):
    for package in ("opentelemetry.sdk", "prometheus_client"):
        pytest.importorskip(package)
    caplog.set_level(logging.DEBUG)
    watched, records, api, said = Watched(), [], Api(outcome), []

    def say(**found):
        said.extend(found.items())

    async with application(*api.routes()) as url:
        auth = make(kind, f"{url}/token")
        recorder = Recorder(http_transport(SYSTEM, max_body=1000))
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            client = recorder.client(url, auth=auth, retry=Retry(2, base=0), watch=watched.all, hooks=[records.append])
            async with client:
                for call in ({}, {"params": {"q": "1"}}):
                    try:
                        answer = await client.post("/x", json={}, idempotency_key=True, **call)
                        say(answer=[answer, answer.attempts, answer.headers, answer.url, answer.request.headers])
                        say(pickled=pickle.dumps(answer))
                    except AsyncAPIError as error:
                        say(error=[str(error), repr(error), error.__dict__], locals=with_locals(error))
                        say(pickled=pickle.dumps(error), request=[error.request.headers, error.request.url])
                        if hasattr(error, "response"):
                            response = error.response
                            say(body=response.text, headers=response.headers, of=response.request.headers)
                say(stats=client.stats, explained=client.explain(), client=client, plan=client._state.settings)
                say(auth=[repr(auth), vars(auth)])
        recorder.trace.save(tmp_path / "trace.jsonl")
        say(trace=(tmp_path / "trace.jsonl").read_text(), records=[records, [record.state for record in records]])
        say(warnings=[str(one.message) for one in warned], logs=caplog.text, printed=capsys.readouterr())
        say(**watched.said())
    texts = [(name, str(found)) for name, found in said]
    assert api.came
    assert any("127.0.0.1" in text for _, text in texts)
    assert leaks(texts, secrets_of(auth)) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_shows_in_a_stream_that_breaks_off(kind, caplog):
    for package in ("opentelemetry.sdk", "prometheus_client"):
        pytest.importorskip(package)
    caplog.set_level(logging.DEBUG)
    watched, api, said = Watched(), Api("ok"), []

    async def cut(request):
        api.came += f"{dict(request.headers)} {request.path_qs}"
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"a" * 10)
        request.transport.abort()
        return answer

    async with application(web.get("/cut", cut), *api.routes()) as url:
        auth = make(kind, f"{url}/token")
        async with Client(url, auth=auth, retry=Retry(2, base=0), watch=watched.all, cache=Cache()) as client:
            for _ in range(2):
                async with client.stream("GET", "/cut") as response:
                    with pytest.raises(AsyncAPIError) as failed:
                        await response.read()
                error = failed.value
                said += [("error", [str(error), repr(error), error.__dict__]), ("locals", with_locals(error))]
                said += [("response", [response, response.url, response.request.headers, response.attempts])]
                said += [("pickled", pickle.dumps(error))]
            said += [("stats", client.stats), ("logs", caplog.text), *watched.said().items()]
    assert api.came
    assert leaks([(name, str(found)) for name, found in said], secrets_of(auth)) == []


def leaks(texts: list[tuple[str, str]], secrets: list[str]) -> list[str]:
    """Where a secret is, and what stands around it."""
    found = []
    for name, text in texts:
        for form in {form for secret in secrets for form in (secret, quote(secret, safe=""))}:
            if form in text:
                at = text.index(form)
                found.append(f"{name}: {text[max(0, at - 60) : at + 20]!r}")
    return found


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_a_password_in_a_url_shows_nowhere(outcome, caplog, capsys):
    """But in the variables of the caller's own frames, who has written it there."""
    caplog.set_level(logging.DEBUG)
    records, api, said = [], Api(outcome), []
    async with application(*api.routes()) as url:
        base = url.replace("http://", f"http://user:{CANARY}@")
        async with Client(base, retry=Retry(2, base=0), watch=[Logs()], hooks=[records.append]) as client:
            try:
                answer = await client.get("/x", params={"api_key": CANARY})
                said += [repr(answer), repr(answer.attempts), pickle.dumps(answer)]
            except AsyncAPIError as error:
                said += [str(error), repr(error), error.__dict__, pickle.dumps(error), error.request.url]
                said += ["".join(traceback.format_exception(error))]
            said += [client.stats, client.explain(), records]
    texts = [("said", str(each)) for each in said] + [("logs", caplog.text), ("printed", str(capsys.readouterr()))]
    echoed = outcome in {"400", "401", "403", "429", "503", "challenged"}  # the server's own words, of the caller's URL
    assert api.came
    assert echoed or leaks(texts, secrets_of(None)) == []


async def test_a_job_shows_nothing(tmp_path, monkeypatch, caplog, capsys, lane):
    """Rows, journal, report and log of a bulk job whose token fails in every way."""
    from asyncapi.bulk import Job, run

    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TOKEN", CANARY)
    failing = ("400", "403", "503", "cut", "garbage", "moved to nowhere", "redirected", "ok")
    api = Api("ok")

    async def handle(request):
        api.outcome = request.query.get("outcome", "ok")
        return await api.any(request)

    async with application(web.get("/{any:.*}", handle)) as url:
        rows = tmp_path / "rows.txt"
        rows.write_text("".join(f"{url}/x?outcome={quote(outcome)}\n" for outcome in failing * 3))
        for suffix in ("jsonl", "sqlite", "csv"):
            job = Job(
                rows, tmp_path / f"out.{suffix}", auth_env="TOKEN", retry=Retry(2, base=0), concurrency=1,
                report=tmp_path / f"{suffix}.html", transport=lane,
            )  # fmt: skip
            summary = await run(job)
            assert (summary.ok, summary.failed) == (6, 18)
    assert CANARY in api.came
    texts = [(path.name, path.read_bytes().decode("latin-1")) for path in tmp_path.iterdir()]
    texts += [("logs", caplog.text), ("printed", str(capsys.readouterr())), ("job", f"{job!r} {summary!r}")]
    assert len(texts) > 8
    assert leaks(texts, secrets_of(None)) == []


async def test_a_jobs_token_goes_to_the_origin_of_its_base_url_alone(tmp_path, monkeypatch, lane):
    from asyncapi.bulk import Job, run

    monkeypatch.setenv("TOKEN", CANARY)
    here, there = Api("ok"), Api("ok")
    async with application(*here.routes()) as one, application(*there.routes()) as two:
        (tmp_path / "rows.txt").write_text(f"/x\n{two}/y\n")
        job = Job(tmp_path / "rows.txt", tmp_path / "out.jsonl", base_url=one, auth_env="TOKEN", transport=lane)
        await run(job)
    assert CANARY in here.came
    assert there.came
    assert CANARY not in there.came


ODD = 'c@nary/bird +"é"&='  # written otherwise in a URL, a form, JSON and HTML


@pytest.mark.parametrize(
    "make",
    [
        lambda: ApiKey(ODD.replace("é", "e"), header="X-Odd"),
        lambda: ApiKey(ODD, query="odd"),
        lambda: Basic("me", ODD),
        lambda: Bearer(ODD.replace(" ", "").replace("é", "e")),
    ],
)
async def test_an_api_that_repeats_what_it_refuses_does_not_make_it_show(make):
    async def me(request):
        form = (
            json.dumps(dict(request.headers))
            + str(request.query)
            + request.raw_path
            + html.escape(str(request.headers))
        )
        return web.Response(status=400, text=form + ODD)

    auth = make()
    async with application(web.get("/", me)) as url, Client(url, auth=auth) as api:
        with pytest.raises(BadRequest) as caught:
            await api.get("/")
    assert "bird" not in caught.value.response.text.replace(ODD, "")
    assert "127.0.0.1" in caught.value.response.text
