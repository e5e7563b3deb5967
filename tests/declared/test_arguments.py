"""The values of a declared method's parameters go where its markers say: on the wire, byte for byte."""

from __future__ import annotations

import json
import warnings
from pathlib import Path as FilePath
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType, deprecated

from asyncapi import (
    API,
    Basic,
    Bearer,
    Body,
    ConfigError,
    Cookie,
    Form,
    Header,
    Option,
    Path,
    Query,
    Response,
    Upload,
    get,
    operation,
    post,
    put,
)
from asyncapi.testing import reply, run
from asyncapi.types import Content, FileContent  # noqa: TC001 - annotations are read
from written_clients import Wire


class Pet(BaseModel):
    name: str


Json = TypeAliasType("Json", "str | list[Json]")  # type: ignore[misc]


class Shop(API):
    @get("/pets/{ids}")
    async def styled(
        self,
        ids: Annotated[list[int], Path(style="matrix", explode=True)],
        pet: Annotated[Pet | None, Query(style="deepObject")] = None,
        tags: Annotated[list[str] | None, Query(explode=False)] = None,
        team: str | None = None,
        trace: Annotated[list[str] | None, Header("X-Trace")] = None,
        sid: Annotated[str | None, Cookie()] = None,
        lang: Annotated[str | None, Cookie("language")] = None,
        cookies: Annotated[dict[str, str] | None, Option()] = None,
    ) -> Any: ...

    @get("/lists/{ids}")
    async def listed(self, ids: list[str]) -> Any: ...

    @put("/pets")
    async def vendor(self, pet: Annotated[Pet, Body("application/vnd.pet+json")]) -> Any: ...

    @put("/text")
    async def text(self, text: Annotated[str | None, Body("text/csv")] = None) -> str: ...

    @put("/raw")
    async def raw(self, content: Annotated[Content, Body("application/octet-stream")]) -> str | None: ...

    @post("/form")
    async def form(self, name: Annotated[str, Form()], pet: Annotated[Pet | None, Form()] = None) -> Any: ...

    @post("/multipart", headers={"Content-Type": "multipart/form-data"})
    async def multipart(
        self, name: Annotated[str, Form()], pet: Annotated[Pet | None, Form()] = None,
        file: Annotated[FileContent | None, Upload()] = None,
    ) -> Any: ...  # fmt: skip

    @post("/files")
    async def files(self, files: Annotated[list[FileContent], Upload()]) -> Any: ...

    @post("/json")
    async def json(self, value: Annotated[Json, Body()]) -> Any: ...

    @operation("HEAD", "/head")
    async def head(self) -> Response: ...

    @get("/open", auth=None)
    async def open(self) -> Any: ...

    @get("/own", auth=Basic("ada", "secret"))
    async def own(self) -> Any: ...

    @deprecated("Use `open`.")
    @get("/old")
    async def old(self) -> Any: ...

    @get("/older")
    @deprecated("Use `old`.")
    async def older(self) -> Any: ...


def call(name, *args, answer=None, settings=None, **named):
    wire = Wire(*([answer] if answer is not None else []))

    async def main():
        async with Shop(wire.client(**(settings or {}))) as shop:
            return await getattr(shop, name)(*args, **named)

    return run(main()), wire


def test_styles_reach_the_url_the_headers_and_the_cookies():
    _, wire = call(
        "styled", [1, 2], pet=Pet(name="x y"), tags=["a", "b"], team="red", trace=["t", "u"], sid="s", lang="en"
    )
    url = wire.last.url
    assert url.raw_path == "/v1/pets/;ids=1;ids=2"
    assert dict(url.query) == {"pet[name]": "x y", "tags": "a,b", "team": "red"}
    assert wire.last.headers["X-Trace"] == "t,u"
    assert wire.last.headers["Cookie"] == "sid=s; language=en"


def test_what_is_none_is_left_out():
    _, wire = call("styled", [1])
    assert not wire.last.url.query_string
    assert "Cookie" not in wire.last.headers


def test_cookies_of_the_call_go_beside_those_of_parameters():
    _, wire = call("styled", [1], sid="s", cookies={"more": "m"})
    assert wire.last.headers["Cookie"] == "sid=s; more=m"


def test_a_list_in_a_path_is_separated_by_commas():
    assert call("listed", ["a", "b/c"])[1].last.url.raw_path == "/v1/lists/a,b%2Fc"


def test_a_body_has_the_content_type_that_its_marker_names():
    _, wire = call("vendor", Pet(name="Rex"))
    assert (wire.body, wire.last.headers["Content-Type"]) == (b'{"name":"Rex"}', "application/vnd.pet+json")


def test_text_goes_out_and_comes_back_as_it_is():
    made, wire = call("text", "a,b", answer=reply(content=b"c;d", headers={"Content-Type": "text/plain"}))
    assert (made, wire.body, wire.last.headers["Content-Type"]) == ("c;d", b"a,b", "text/csv")


def test_no_body_has_no_type():
    _, wire = call("text", answer=reply(json="x"))
    assert "Content-Type" not in wire.last.headers


@pytest.mark.parametrize(("answer", "value"), [(reply(json="x"), "x"), (reply(204), None)])
def test_text_in_json_is_read_and_nothing_is_none(answer, value):
    assert call("raw", b"\x00", answer=answer)[0] == value


def test_an_object_in_a_form_is_json():
    _, wire = call("form", "Ada", Pet(name="Rex"))
    assert wire.body == b"name=Ada&pet=%7B%22name%22%3A%22Rex%22%7D"


def test_an_object_in_a_multipart_form_is_a_part_of_json():
    _, wire = call("multipart", "Ada", Pet(name="Rex"))
    assert wire.last.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="pet"\r\nContent-Type: application/json\r\n\r\n{"name":"Rex"}' in wire.body


def test_a_multipart_form_stays_one_without_files():
    assert call("multipart", "Ada")[1].last.headers["Content-Type"].startswith("multipart/form-data; boundary=")


def test_a_list_of_files_has_a_part_for_each(tmp_path):
    path = FilePath(tmp_path / "a.txt")
    path.write_bytes(b"one")
    _, wire = call("files", [path, ("b.txt", b"two")])
    assert wire.body.count(b'name="files"') == 2
    assert b'filename="a.txt"' in wire.body


def test_a_named_alias_is_what_it_stands_for():
    assert json.loads(call("json", ["a", ["b"]])[1].body) == ["a", ["b"]]


def test_any_method_can_be_declared():
    assert call("head", answer=reply(headers={"X-A": "1"}))[1].last.method == "HEAD"
    with pytest.raises(ConfigError, match="give an HTTP method first"):
        operation("/x", "HEAD")


def test_a_method_has_a_credential_of_its_own_or_none():
    settings = {"auth": Bearer("t")}
    assert "Authorization" not in call("open", settings=settings)[1].last.headers
    assert call("own", settings=settings)[1].last.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("name", ["old", "older"])
def test_a_deprecated_method_warns_where_it_is_called(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(name)
    assert [one.category for one in caught if "Use `" in str(one.message)] == [DeprecationWarning]
    assert getattr(Shop, name).__deprecated__.startswith("Use `")


@pytest.mark.parametrize(
    "marker",
    [
        Query(style="matrix"),
        Form(style="simple"),
        Path(style="form"),
        Header(style="deepObject"),
        Cookie(style="label"),
    ],
)
def test_a_style_of_another_place_is_refused(marker):
    with pytest.raises(ConfigError, match="is not a style of"):

        class Wrong(API):
            @get("/x/{a}")
            async def x(self, a: Annotated[list[str], marker]) -> Any: ...
