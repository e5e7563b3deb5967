"""The errors of protocols over HTTP: what they carry, and what may be shown of it."""

from __future__ import annotations

import pickle

import asyncapi
from asyncapi.errors import AsyncAPIError, GraphQLError, RPCError, SocketClosed, TransportError
from asyncapi.messages.code import Code


def test_an_rpc_error_names_its_code_and_its_message():
    error = RPCError(Code.NOT_FOUND, "no such user", metadata=[("authorization", "s3cret"), ("retries", "2")])
    assert str(error).startswith("NOT_FOUND: no such user")
    kept = pickle.loads(pickle.dumps(error))
    assert (kept.code, kept.details, kept.metadata) == (
        Code.NOT_FOUND,
        "no such user",
        [("authorization", "***"), ("retries", "2")],
    )
    assert not isinstance(error, TransportError)


def test_a_socket_that_ended_says_how():
    error = pickle.loads(pickle.dumps(SocketClosed("the server closed it", code=1012, reason="restart")))
    assert (error.code, error.reason, isinstance(error, TransportError)) == (1012, "restart", True)


def test_a_graphql_error_keeps_what_there_is_of_the_data():
    error = GraphQLError("user: gone", errors=[{"message": "gone"}], data={"user": None}, extensions={"cost": 1})
    kept = pickle.loads(pickle.dumps(error))
    assert (kept.errors, kept.data, kept.extensions, kept.status) == (
        [{"message": "gone"}],
        {"user": None},
        {"cost": 1},
        200,
    )


def test_errors_are_named_as_users_import_them():
    assert {one.__module__ for one in (AsyncAPIError, GraphQLError, RPCError, SocketClosed)} == {"asyncapi.errors"}
    assert asyncapi.RPCError is RPCError
