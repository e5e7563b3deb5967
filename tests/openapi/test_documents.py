"""Written clients are tried on real documents and on FastAPI applications: typed, imported, and every call accepted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("datamodel_code_generator")
pytest.importorskip("jsonschema")

from asyncapi.openapi.check import check
from asyncapi.openapi.generating import generate
from asyncapi.openapi.reading import read
from documents.calling import call_all, facade, load
from documents.catalogue import DOCUMENTS, PACKAGES
from documents.fetching import place_of
from documents.sampling import matching
from documents.trial import PRISM, attempt

QUICK = [entry for entry in DOCUMENTS if entry.quick]
SLOW = [entry for entry in DOCUMENTS if not entry.quick]
# Calls that the mock server refuses for its own reasons: it decodes no forms by `encoding`, no `label` and no `matrix`.
TOLERATED = {"parameters-style": 25, "uber": 1}
ROOT = Path(__file__).parents[2]


def here(entry):
    if not place_of(entry).is_file():
        pytest.skip(f"{entry.name} is not fetched: make documents")
    return place_of(entry)


def test_every_document_is_in_a_pinned_package():
    assert len(DOCUMENTS) >= 40
    assert {entry.package for entry in DOCUMENTS} == {package.name for package in PACKAGES}
    assert len({entry.name for entry in DOCUMENTS}) == len(DOCUMENTS)


@pytest.mark.parametrize("entry", QUICK, ids=lambda entry: entry.name)
def test_small_real_documents_are_read_written_and_imported(entry, tmp_path):
    result = attempt(entry.name, here(entry), tmp_path, types=False, calls=False)
    assert result.imported == "ok", result.troubles


@pytest.mark.soak
@pytest.mark.lane("aiohttp", reason="the subject is the written client, not the transport")
@pytest.mark.parametrize("entry", [*QUICK, *SLOW], ids=lambda entry: entry.name)
def test_real_documents_make_typed_clients_whose_calls_are_accepted(entry, tmp_path):
    source = here(entry)
    result = attempt(entry.name, source, tmp_path, calls=PRISM.exists())
    assert (result.mypy, result.pyright, result.imported) == ("ok", "ok", "ok"), result.troubles
    wrong = sum(result.calls.values()) - result.calls.get("accepted", 0) - result.calls.get("not tried", 0)
    assert wrong <= TOLERATED.get(entry.name, 0.1 * result.operations), result.troubles


@pytest.fixture
def served():
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    started = []

    def serve(app):
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        started.append((server, thread))
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield serve
    for server, thread in started:
        server.should_exit = True
        thread.join(30)


@pytest.mark.lane("aiohttp", reason="the subject is the written client, not the transport")
@pytest.mark.parametrize("name", ["shop", "files", "guarded"])
def test_a_fastapi_application_takes_every_call_of_its_client(name, served, tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("multipart")
    from documents.apps import APPS

    app = APPS[name]()
    document = read(json.dumps(app.openapi()).encode())
    assert check(document) == []
    path = tmp_path / f"client_{name}.py"
    path.write_text(generate(document))
    module = load(path, f"client_of_{name}")
    assert facade(module)
    calls = asyncio.run(call_all(module, document, served(app)))
    assert [call for call in calls if call.outcome != "accepted"] == []
    assert len(calls) == len(document.operations)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["shop", "files", "guarded"])
def test_the_client_of_a_fastapi_application_is_typed(name, tmp_path):
    pytest.importorskip("fastapi")
    from documents.apps import APPS

    path = tmp_path / f"client_{name}.py"
    path.write_text(generate(read(json.dumps(APPS[name]().openapi()).encode())))
    env = {**os.environ, "MYPYPATH": str(ROOT)}
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("pattern", ["^[a-z]{2,3}-[0-9]+$", "(a|b)c?", r"^\d{4}\w\s$", "[^a]x", "^(?:https?)://.+$"])
def test_samples_match_their_patterns(pattern):
    import re

    assert re.search(pattern, matching(pattern))
