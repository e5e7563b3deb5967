"""Structured logs: readable lines with fields, for stdlib formatters and for structlog, without secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from asyncapi import Client, ServerError
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.watch import Logs


def client(handler, **settings) -> Client:
    clock = FakeClock()
    settings.setdefault("watch", [Logs()])
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def test_a_call_is_one_readable_record_with_fields(caplog):
    answers = iter([reply(503, headers={"Retry-After": "2"}), reply(200)])
    with caplog.at_level(logging.INFO, "asyncapi.calls"):
        run(client(lambda r: next(answers)).get("/users/7?token=canary", route="/users/{id}"))
    [record] = caplog.records
    assert record.getMessage() == "GET https://h/users/7?token=***: 200 in 2000 ms"
    assert record.levelno == logging.INFO
    fields = {"kind": "call", "method": "GET", "host": "h", "route": "/users/{id}", "status": 200, "error": None}
    numbers = {
        "elapsed": 2.0,
        "attempts": 2,
        "queued": 0.0,
        "degraded": "",
        "background": False,
        "url": "https://h/users/7?token=***",
    }
    assert {name: getattr(record, name) for name in fields | numbers} == fields | numbers


def test_a_failed_call_is_a_warning(caplog):
    async def scenario():
        with pytest.raises(ServerError):
            await client(lambda r: reply(500), retry=None).get("/")

    with caplog.at_level(logging.WARNING, "asyncapi.calls"):
        run(scenario())
    assert [(record.levelname, record.status) for record in caplog.records] == [("WARNING", 500)]


def test_attempts_are_told_at_debug(caplog):
    answers = iter([reply(503, headers={"Retry-After": "2"}), reply(200)])
    with caplog.at_level(logging.DEBUG, "asyncapi.calls"):
        run(client(lambda r: next(answers)).get("/", route="/"))
    attempts = [record for record in caplog.records if getattr(record, "kind", "") == "attempt"]
    assert [(record.number, record.status, record.why, record.route) for record in attempts] == [
        (1, 503, "first", "/"),
        (2, 200, "retry: 503, Retry-After 2 s", "/"),
    ]


def test_structlog_gets_every_field():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logger = logging.Logger("mine", logging.INFO)  # noqa: LOG001 - of this test alone
    logger.addHandler(handler)
    run(client(lambda r: reply(200), watch=Logs(logger)).get("/users/7", route="/users/{id}"))
    said = json.loads(stream.getvalue())
    assert said["event"] == "GET https://h/users/7: 200 in 0 ms"
    assert (said["level"], said["kind"], said["route"], said["status"]) == ("info", "call", "/users/{id}", 200)


async def test_no_canary_gets_into_the_logs(caplog):
    api = Client(
        "https://user:canary-password@h",
        transport=MockTransport(lambda r: reply(500, content=b"canary", headers={"Set-Cookie": "sid=canary"})),
        headers={"Authorization": "Bearer canary-token", "X-Api-Key": "canary"},
        params={"api_key": "canary-key"},
        watch=Logs(),
        retry=None,
        raise_for_status=False,
    )
    with caplog.at_level(logging.DEBUG):
        await api.post("/x", json={"card": "canary-card"})
    assert len(caplog.records) >= 2
    assert "canary" not in "".join(str(vars(record)) + record.getMessage() for record in caplog.records)


def test_a_missing_extra_says_what_to_install_and_the_rest_loads_without_it():
    code = """
import sys
sys.modules["prometheus_client"] = sys.modules["opentelemetry"] = None
from asyncapi import Alert, Client
from asyncapi.watch import Logs
for name, extra in (("Prometheus", "prometheus"), ("OpenTelemetry", "otel")):
    try:
        exec(f"from asyncapi.watch import {name}")
    except ImportError as error:
        assert f"pip install 'asyncapi-sdk[{extra}]'" in str(error), error
    else:
        raise AssertionError(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
