"""The fixture `bucket`: an S3 that nobody here wrote (moto), in a process of its own on loopback, with one bucket."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

STARTS_WITHIN = 30  # seconds


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """`url` of the bucket, `env` with what a process needs to reach it, `fs` to look into it."""
    for package in ("moto", "flask_cors", "s3fs"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = tmp_path_factory.mktemp("moto") / "port"
    env = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "moto_aws.py"), str(port)],
        env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not (port.exists() and port.read_text()):
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip("moto did not start")
            time.sleep(0.02)
        import s3fs

        endpoint = f"http://127.0.0.1:{port.read_text()}"
        env |= {"AWS_ENDPOINT_URL": endpoint, "FSSPEC_S3_ENDPOINT_URL": endpoint}
        store = s3fs.S3FileSystem(key="x", secret="x", endpoint_url=endpoint, skip_instance_cache=True)
        store.mkdir("rows")
        yield SimpleNamespace(url="s3://rows", env=env, fs=store)
    finally:
        process.kill()
        process.communicate()
