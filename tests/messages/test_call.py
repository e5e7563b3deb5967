"""A call: its settings never change, its progress has known writers, and a fork keeps the two apart."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from yarl import URL

import asyncapi
from asyncapi.messages import call as module
from asyncapi.messages.call import NO_SETTINGS, Attempt, Call, CallSettings

PACKAGE = Path(asyncapi.__file__).parent
FIXED = {"settings", "started", "original"}


def writers_in_docstring() -> dict[str, set[str]]:
    """The table of the module's docstring: attribute -> modules that write it."""
    table: dict[str, set[str]] = {}
    names: list[str] = []
    for line in (module.__doc__ or "").splitlines():
        if not line.startswith("    "):
            continue
        left, right = line[4:38].strip(), line[38:]
        names = [name.strip() for name in left.split(",")] if left else names
        for name in names:
            table.setdefault(name, set()).update(re.findall(r"\b[a-z_]+(?:\.[a-z_0-9]+)+", right))
    return table


@cache
def writers_in_code() -> dict[str, set[str]]:
    """Who assigns to `call.x` (or `request.call.x`, `self._call.x`), appends to it, or logs a wait."""
    found: dict[str, set[str]] = {name: set() for name in Call.__slots__}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name == "messages.call":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for written in written_by(node):
                found[written].add(name)
    return found


def written_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_call(node.value):
        return [node.attr] if node.attr in Call.__slots__ else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method, of = node.func.attr, node.func.value
        if method == "log_wait" and is_call(of):
            return ["wait_log"]
        if method == "append" and isinstance(of, ast.Attribute) and is_call(of.value):
            return [of.attr]
    return []


def is_call(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2].lstrip("_") == "call"


def test_the_table_of_writers_names_every_attribute():
    assert set(writers_in_docstring()) == set(Call.__slots__)


@pytest.mark.parametrize("name", sorted(Call.__slots__))
def test_an_attribute_has_the_writers_that_the_table_names(name):
    assert writers_in_code()[name] == writers_in_docstring()[name]


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_is_fixed_when_the_call_begins_is_written_by_nobody(name):
    assert writers_in_code()[name] == set()


def test_settings_say_nothing_by_default():
    assert [getattr(NO_SETTINGS, name) for name in ("connect", "attempt", "retry", "max_wait")] == [None] * 4
    assert (NO_SETTINGS.priority, NO_SETTINGS.tenant) == (0, "")


@pytest.mark.parametrize(
    ("change", "changed", "value"), [("without_retry", "retry", None), ("without_waiting", "max_wait", 0.0)]
)
def test_other_settings_are_another_object_that_differs_in_one_value(change, changed, value):
    settings = CallSettings(1.0, 2.0, "policy", 3.0, 4, "t", 5.0)
    other = getattr(settings, change)()
    assert getattr(other, changed) == value
    for name in CallSettings.__slots__:
        assert getattr(settings, name) not in {None, 0.0}
        assert name == changed or getattr(other, name) == getattr(settings, name)


def test_waits_are_logged_in_their_order():
    call = Call(0.0, "h")
    call.log_wait("rate 0.12 s behind 3")
    call.log_wait("concurrency 1 s behind 0")
    assert call.wait_log == "rate 0.12 s behind 3, concurrency 1 s behind 0"


def test_a_fork_shares_settings_and_writes_its_own_progress():
    call = Call(5.0, "h", CallSettings(attempt=2.0), URL("https://h/"))
    call.attempts.append(record(1, 5.0))
    twin = call.fork("hedge")
    assert (twin.settings, twin.started, twin.original_url, twin.host) == (call.settings, 5.0, URL("https://h/"), "h")
    assert (twin.why, twin.phase, twin.queued, twin.task) == ("hedge", "queue", 0.0, None)
    twin.phase, twin.why = "body", "retry"
    twin.attempts.append(record(2, 6.0))
    assert (call.phase, call.why, len(call.attempts)) == ("queue", "first", 1)


def test_a_fork_may_have_settings_of_its_own():
    call = Call(0.0, "h", CallSettings(max_wait=5.0))
    twin = call.fork("hedge", call.settings.without_waiting())
    assert (call.settings.max_wait, twin.settings.max_wait) == (5.0, 0.0)


def test_joined_records_are_numbered_in_the_order_of_their_sending():
    call = Call(0.0, "h")
    call.attempts.append(record(1, 0.0))
    twin = call.fork("hedge")
    call.attempts.append(record(2, 2.0))
    twin.attempts.append(record(2, 1.0))
    call.join(twin)
    assert [(made.number, made.started) for made in call.attempts] == [(1, 0.0), (2, 1.0), (3, 2.0)]
    call.join(twin)
    assert len(call.attempts) == 3


def test_a_join_takes_what_a_fork_has_learned_about_credentials():
    call = Call(0.0, "h")
    twin = call.fork("hedge")
    twin.refused, twin.resend = ("signature",), "401"
    call.join(twin)
    assert (call.refused, call.resend) == (("signature",), "401")


def test_a_single_call_is_no_backlog():
    call = Call(0.0, "h")
    assert not call.backlog
    for waiting in (0, 3):
        call.fan_out = type("FanOut", (), {"backlog": waiting})()
        assert call.backlog == bool(waiting)


def test_a_record_masks_the_secrets_of_its_url_and_says_what_became_of_it():
    made = record(2, 0.0)
    made.error, made.then, made.held = "ConnectError: refused", "gave up: attempts", "rate 1 s behind 0"
    assert made.url == "https://h/?api_key=***"
    assert repr(made) == "<Attempt 2 ConnectError 0 ms, first, held: rate 1 s behind 0, gave up: attempts>"


def record(number: int, started: float) -> Attempt:
    return Attempt(number, "GET", URL("https://h/?api_key=s3cr3t"), "first", started, 0.0)
