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
from documents.mocking import PRISM
from documents.sampling import matching
from documents.trial import attempt, type_check, write

QUICK = [entry for entry in DOCUMENTS if entry.quick]
SLOW = [entry for entry in DOCUMENTS if not entry.quick and place_of(entry).is_file()]  # after `make documents`
# Calls that the mock server can't judge. It crashes at objects in paths, at `label` and `matrix`, and at objects with
# delimiters (parameters-style).
TOLERATED = {"parameters-style": 8, "uber": 1}
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
    result = attempt(entry.name, here(entry), tmp_path, calls=False)
    assert result.imported == "ok", result.troubles


@pytest.mark.soak
@pytest.mark.parametrize("entries", [QUICK, SLOW], ids=["small", "large"])
def test_clients_of_real_documents_pass_mypy_and_pyright(entries, tmp_path):
    fetched = [entry for entry in entries if place_of(entry).is_file()]
    if not fetched:
        pytest.skip("not fetched: make documents")
    results = [write(entry.name, place_of(entry), tmp_path)[0] for entry in fetched]
    type_check(results, tmp_path, tmp_path / "cache")
    wrong = {each.name: (each.types, each.troubles) for each in results if set(each.types.values()) != {"ok"}}
    assert wrong == {}


@pytest.mark.soak
@pytest.mark.lane("aiohttp", reason="the subject is the written client, not the transport")
@pytest.mark.parametrize("entry", [*QUICK, *SLOW], ids=lambda entry: entry.name)
def test_a_mock_server_accepts_the_calls_of_real_documents(entry, tmp_path):
    source = here(entry)
    if not PRISM.exists():
        pytest.skip("prism is not installed: make peers")
    result = attempt(entry.name, source, tmp_path)
    wrong = sum(result.calls.values()) - result.calls.get("accepted", 0) - result.calls.get("not tried", 0)
    assert result.calls.get("accepted"), result.troubles
    assert wrong <= TOLERATED.get(entry.name, 0 if entry.quick else 0.03 * result.operations), result.troubles


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
