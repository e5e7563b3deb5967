"""The command, as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest

from asyncapi import Client, Retry
from asyncapi.serve import FaultServer

COMMAND = [sys.executable, "-m", "asyncapi.serve"]


@pytest.fixture
def running(tmp_path):
    """Starts the command; gives the process and its first lines."""
    processes = []

    def start(*options):
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process, process.stdout.readline(), process.stdout.readline()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_serves_and_ends_cleanly_on_a_signal(running, tmp_path, number):
    process, first, second = running("--port-file", str(tmp_path / "port"))
    port = (tmp_path / "port").read_text().strip()
    assert first == f"serving http://127.0.0.1:{port}\n"
    assert second == "faults: none, unless a request asks for one\n"
    assert get(f"http://127.0.0.1:{port}/items/7")["id"] == 7
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_signal_with_requests_in_flight_ends_it_soon(running):
    process, first, _ = running()
    client = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])",
            f"{first.split()[1]}/delay/600",
        ],
        stderr=subprocess.DEVNULL,
    )
    while get(f"{first.split()[1]}/stats")["in_flight"] == 0:
        assert client.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert client.wait(timeout=20) != 0


def test_it_says_which_faults_are_on_and_logs_where_asked(running):
    process, first, second = running(
        "--latency", "1-2", "--error-rate", "1", "--rate-limit", "100/s", "--seed", "5", "--log"
    )
    assert second == "faults (seed 5): latency 1 to 2 ms; 100% answered 500, 502 or 503; at most 100 requests per 1 s\n"
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"{first.split()[1]}/items/7")
    caught.value.close()
    assert process.stdout.readline().startswith(f"GET /items/7 {caught.value.code} ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--error-rate", "3"], "the error rate is a share from 0 to 1, not 3"),
        (["--latency", "fast"], "a latency is milliseconds like 20"),
        (["--rate-limit", "fast"], "the rate 'fast' cannot be read: write 50 (a second)"),
        (["--port", "70000"], "a port is a number from 0 to 65535, not 70000"),
        (["--port", "0", "--port-file", "/nowhere/at/all"], "cannot write the port file /nowhere/at/all"),
    ],
)
def test_a_bad_value_is_one_line_and_exit_code_2(options, message):
    ended = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"error: {message}")


async def test_a_port_in_use_is_one_line_and_exit_code_2():
    async with FaultServer() as server:
        ended = subprocess.run(
            [*COMMAND, "--port", str(server.port)], capture_output=True, text=True, timeout=30, check=False
        )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "address already in use" in ended.stderr


def test_help_teaches_with_an_example():
    ended = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "asyncapi serve --latency 10-50 --error-rate 0.05" in ended.stdout


@pytest.mark.lanes
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_feed_resumes_each_time_the_server_is_back(running, number):
    """Nothing twice, nothing missed: each new connection subscribes from the last message on."""
    process, first, _ = running()
    url, ids, opened = first.split()[1], [], []

    async def subscribe(ws):
        opened.append(ids[-1] if ids else 0)
        await ws.send({"subscribe": "ada", "after": opened[-1]})

    often = Retry(attempts=300, base=0.05, cap=0.2, budget=None)
    async with (
        Client(url) as api,
        api.websocket("/ws/feed?pause=0.01", model=dict[str, Any], on_open=subscribe, reconnect=often) as ws,
    ):
        async for message in ws:
            ids.append(message["id"])
            if len(ids) in {5, 25}:
                process.send_signal(number)
                process.wait(20)
                process, *_ = running("--port", url.rpartition(":")[2])
            if len(ids) == 50:
                break
    assert ids == list(range(1, 51))
    assert len(opened) == 3
