"""`asyncapi.grpc` hands on what RPCs are made of, and imports nothing of it before it is asked for."""

import subprocess
import sys

import asyncapi
from asyncapi import grpc


def test_every_name_is_there():
    for name in grpc.__all__:
        assert getattr(grpc, name) is not None
    assert set(grpc.__all__) <= set(dir(grpc))
    assert grpc.RPCError is asyncapi.RPCError
    assert issubclass(grpc.RPCTimeout, asyncapi.RPCError | asyncapi.RequestTimeout)


def test_nothing_of_grpcs_is_imported_for_it():
    program = (
        "import sys, asyncapi.grpc as face; face.Channel, face.Code;"
        "print([name for name in ('grpc', 'google.protobuf', 'aiohttp') if name in sys.modules])"
    )
    root = asyncapi.__file__.rpartition("/asyncapi/")[0]
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert shown.stdout.strip() == "[]"
