"""Bodies before they are sent: their bytes, type and length, whether they can be sent again, and what is no body."""

from __future__ import annotations

import enum
import io
import math
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from asyncapi import ConfigError, Request
from asyncapi.messages.encoding import encode

if TYPE_CHECKING:
    from asyncapi.types import Body


class Kind(enum.Enum):
    A = "a"


class User(BaseModel):
    id: int
    full_name: str = Field("x", alias="fullName")


@dataclass
class Point:
    x: int


def given(**body):
    return encode(Request("POST", "https://h/", **body))


async def read(body: Body) -> bytes:
    return b"".join([piece async for piece in body.open()])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True, "é"]}, '{"a":[1,2.5,null,true,"é"]}'),
        (User(id=1), '{"id":1,"fullName":"x"}'),
        ([User(id=1)], '[{"id":1,"fullName":"x"}]'),
        (Point(1), '{"x":1}'),
        (datetime(2024, 1, 2, tzinfo=UTC), '"2024-01-02T00:00:00Z"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (Decimal("1.10"), '"1.10"'),
        (Kind.A, '"a"'),
        ({"text": "NaN and Infinity"}, '{"text":"NaN and Infinity"}'),
        (False, "false"),
        (0, "0"),
        ({}, "{}"),
        ([], "[]"),
        ("", '""'),
    ],
)
def test_plain_data_and_models_become_json(value, text):
    assert given(json=value) == (text.encode(), "application/json")


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, math.nan, {"a": math.inf}, [-math.inf], b"\xff", "\ud800", lambda: 1],
)
def test_what_json_cannot_hold_is_told(value):
    with pytest.raises(ConfigError, match="json="):
        given(json=value)


def test_data_that_holds_itself_is_told():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="json=list"):
        given(json=loop)


def wrapped(value: object, levels: int) -> object:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [200, 250, 254, 255, 256, 500])
def test_nesting_of_five_hundred_levels_can_be_sent(levels):
    value = wrapped({"é": [User(id=1), "NaN"]}, levels - 3)
    assert given(json=value)[0].decode() == "[" * (levels - 3) + '{"é":[{"id":1,"fullName":"x"},"NaN"]}' + "]" * (
        levels - 3
    )
    with pytest.raises(ConfigError, match=r"NaN or Infinity|not JSON compliant"):
        given(json=wrapped(math.nan, levels))
    with pytest.raises(ConfigError, match="json=list"):
        given(json=wrapped("\ud800", levels))
    with pytest.raises(ConfigError, match="json=list"):
        given(json=wrapped({("a", 1): object()}, levels))


def test_nesting_that_is_too_deep_to_be_sent_is_told():
    with pytest.raises(ConfigError, match="json=list: it is nested too deep"):
        given(json=wrapped(1, 100_000))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"a": "b c", "d": "&="}, "a=b+c&d=%26%3D"),
        ({"a": [1, None, 2], "b": None}, "a=1&a=2"),
        ({"a": True, "b": Kind.A, "c": b"\xff"}, "a=true&b=a&c=%FF"),
        ([("a", 1), ("a", 2)], "a=1&a=2"),
        ({"é": "ü"}, "%C3%A9=%C3%BC"),
        ({}, ""),
    ],
)
def test_fields_become_a_form(fields, text):
    assert given(data=fields) == (text.encode(), "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"data": "a=1"}, "data= takes form fields"),
        ({"data": b"a=1"}, "data= takes form fields"),
        ({"data": 5}, "data: give a mapping or .* pairs, not int"),
        ({"data": ["abc"]}, "data: give a mapping or .* pairs, not list"),
        ({"data": {1: "x"}}, "data: the name 1 is int, give text"),
        ({"data": {"a": {}}}, "data: 'a' is a dict"),
        ({"data": {"a": SecretStr("s")}}, "data: 'a' is a SecretStr"),
        ({"data": {"a": "\ud800"}}, "UTF-8"),
        ({"files": "x"}, "files: give a mapping or .* pairs, not str"),
        ({"files": {"f": None}}, r"files\['f'\] is None"),
        ({"files": {"f": 5}}, "content=int: give bytes"),
        ({"files": {"f": ("a",)}}, r"files\['f'\]: a tuple is \(filename, content\)"),
        ({"files": {"f": (5, b"x")}}, r"files\['f'\]: the file's name is int"),
        ({"files": {1: b"x"}}, "files: the name 1 is int"),
        ({"content": 5}, "content=int: give bytes, text, a path"),
        ({"content": {"a": 1}}, r"content=dict: give bytes.*json="),
        ({"content": "\ud800"}, "UTF-8"),
        ({"content": io.StringIO("x")}, "open in text mode: open it with 'rb'"),
        ({"json": {}, "content": b""}, "json and content at once: a request has one body"),
        ({"json": {}, "data": {}}, "json and data/files at once"),
        ({"content": b"", "files": {}}, "data/files and content at once"),
    ],
)
def test_what_is_no_body_is_told(body, message):
    with pytest.raises(ConfigError, match=message):
        given(**body)


def test_files_that_cannot_be_read_are_told(tmp_path):
    closed = io.BytesIO(b"x")
    closed.close()
    for content, message in [
        (tmp_path / "none", "can't read .*none: No such file"),
        (tmp_path, "it is a directory"),
        (closed, "can't read the file: I/O operation on closed file"),
    ]:
        with pytest.raises(ConfigError, match=message):
            given(content=content)


@pytest.mark.parametrize(
    ("make", "length", "rewindable"),
    [
        (lambda: io.BytesIO(b"abc"), 3, True),
        (lambda: [b"a", b"bc"], None, True),
        (lambda: (b"abc",), None, True),
        (lambda: iter([b"abc"]), None, False),
        (lambda: (piece for piece in [b"abc"]), None, False),
    ],
)
async def test_a_stream_knows_its_length_and_whether_it_can_be_sent_again(make, length, rewindable):
    body, _ = given(content=make())
    assert (body.length, body.rewindable) == (length, rewindable)
    assert await read(body) == b"abc"
    if rewindable:
        assert await read(body) == b"abc"


async def test_paths_of_every_kind_are_read(tmp_path):
    file = tmp_path / "data.json"
    file.write_bytes(b"[1]")

    class PathLike(os.PathLike):
        def __fspath__(self):
            return str(file)

    for path in (file, PathLike()):
        body, kind = given(content=path)
        assert (await read(body), kind, body.length, body.rewindable) == (b"[1]", "application/json", 3, True)


async def test_multipart_has_its_length_where_all_parts_have(tmp_path):
    body, kind = given(files={"f": io.BytesIO(b"abc")}, data={"a": "é"})
    assert kind.startswith("multipart/form-data; boundary=")
    assert body.length == len(await read(body)) == len(await read(body))
    assert body.rewindable
    endless, _ = given(files={"f": iter([b"abc"])})
    assert (endless.length, endless.rewindable) == (None, False)


async def test_names_in_multipart_cannot_break_out_of_their_line():
    body, _ = given(files={'a"\r\nX: y': ('b"\r\nX: é', b"")}, data={'d"\r\nX: y': "v"})
    made = await read(body)
    assert b"\r\nX: " not in made
    assert 'name="a%22%0D%0AX: y"; filename="b%22%0D%0AX: é"\r\n'.encode() in made


async def test_the_type_of_a_part_is_sent_as_it_was_given():
    body, _ = given(files={"f": ("a", b"", 'text/plain; charset="utf-8"')})
    assert b'\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\n' in await read(body)
    for kind in ("c\r\nX: y", "c\x00", 5, b"text/plain"):
        with pytest.raises(ConfigError, match=r"files\['f'\]: its content type"):
            given(files={"f": ("a", b"", kind)})


async def test_a_part_without_a_filename_is_no_file(tmp_path):
    """Typed parts beside files: RFC 7578 section 4.2."""
    (tmp_path / "meta.json").write_bytes(b"[1]")
    files = {
        "meta": (None, b"{}", "application/json"),
        "plain": (None, "é"),
        "path": (None, tmp_path / "meta.json"),
        "empty.png": ("", b"x", "a/b"),
    }
    body, kind = given(files=files)
    boundary = kind.partition("boundary=")[2]
    parts = (await read(body)).decode().split(f"--{boundary}")
    assert parts[1:] == [
        '\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{}\r\n',
        '\r\nContent-Disposition: form-data; name="plain"\r\n\r\né\r\n',
        '\r\nContent-Disposition: form-data; name="path"\r\n\r\n[1]\r\n',
        '\r\nContent-Disposition: form-data; name="empty.png"; filename=""\r\nContent-Type: a/b\r\n\r\nx\r\n',
        "--\r\n",
    ]


@pytest.mark.parametrize(
    ("by_hand", "sent", "boundary"),
    [
        ("multipart/form-data", r"multipart/form-data; boundary=([0-9a-f]{32})", None),
        ("Multipart/Form-Data; charset=utf-8;", r"Multipart/Form-Data; charset=utf-8; boundary=([0-9a-f]{32})", None),
        ("multipart/form-data; boundary=abc", r"multipart/form-data; boundary=abc", "abc"),
        ('multipart/mixed; BOUNDARY="a b"; x=y', r'multipart/mixed; BOUNDARY="a b"; x=y', "a b"),
    ],
)
async def test_a_content_type_by_hand_and_the_body_have_the_same_boundary(by_hand, sent, boundary):
    body, kind = given(files={"f": b"x"}, headers={"content-type": by_hand})
    found = re.fullmatch(sent, kind)
    assert found is not None
    used = boundary or found[1]
    made = (await read(body)).decode()
    assert made.startswith(f"--{used}\r\n")
    assert made.endswith(f"--{used}--\r\n")
    assert body.length == len(made)


@pytest.mark.parametrize("body", [{"data": {"a": 1}}, {"json": {"a": 1}}])
async def test_a_body_that_is_no_multipart_is_not_called_one(body):
    by_hand = {"Content-Type": "multipart/form-data; boundary=x"}
    with pytest.raises(ConfigError, match="needs files="):
        given(**body, headers=by_hand)
    fields, _ = given(data={"a": 1}, files={}, headers=by_hand)
    assert (await read(fields)).startswith(b"--x\r\n")
    assert given(content=b"--x--", headers=by_hand)[0] == b"--x--"  # made by hand, too


@pytest.mark.parametrize(
    ("by_hand", "why"),
    [
        ("application/json", "files= makes multipart/form-data: leave the header out"),
        ("", "files= makes multipart/form-data"),
        ("multipart/form-data; boundary=", "an invalid boundary"),
        ("multipart/form-data; boundary=a<b", "an invalid boundary"),
        (f"multipart/form-data; boundary={'x' * 71}", "an invalid boundary"),
        ("multipart/form-data; boundary=in", "its boundary 'in' occurs inside a part"),
    ],
)
def test_a_content_type_by_hand_that_can_not_be_is_told(by_hand, why):
    with pytest.raises(ConfigError, match=why):
        given(files={"f": b"--inside"}, headers={"Content-Type": by_hand})


async def test_file_names_are_taken_from_files_and_paths(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"p")
    with (tmp_path / "photo.png").open("rb") as file:
        for content in (file, tmp_path / "photo.png"):
            made = await read(given(files={"f": content})[0])
            assert b'name="f"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\np\r\n' in made
    assert b'filename="f"' in await read(given(files={"f": b"x"})[0])
