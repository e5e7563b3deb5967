"""Parameters get Python's names and keep the wire's, in their places and styles."""

from __future__ import annotations

import pytest

from asyncapi.openapi.generating import generate
from asyncapi.testing import run
from written_clients import Wire, document, one, ref, written

TEXT = {"type": "string"}
LIST = {"type": "array", "items": TEXT}
OBJECT = {"type": "object", "properties": {"a": TEXT, "n": {"type": "integer"}}}


def param(name, where="query", schema=TEXT, **more):
    return {"name": name, "in": where, "schema": schema, **({"required": True} if where == "path" else {}), **more}


def signature(*params, path="/x"):
    source = generate(one(parameters=list(params), path=path))
    line = source[source.index("def call(") :]
    return " ".join(line[: line.index('"""')].split())


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (param("perPage"), 'per_page: Annotated[str | None, Query("perPage")] = None'), (param("team"), "team: str | None = None"),
        (param("team", required=True), "team: str"), (param("X-Trace", "header"), 'trace: Annotated[str | None, Header("X-Trace")]'),
        (param("sid", "cookie"), "sid: Annotated[str | None, Cookie()] = None"),
        (param("self"), 'self_: Annotated[str | None, Query("self")]'), (param("class"), 'class_: Annotated[str | None, Query("class")]'),
        (param("json"), "json: str | None = None"), (param("timeout"), "timeout: str | None = None"),
        (param("größe"), "größe: str | None = None"), (param("filter[a]"), 'filter_a: Annotated[str | None, Query("filter[a]")]'),
        (param("ids", schema=LIST), "ids: list[str] | None = None"),
        (param("ids", schema=LIST, explode=False), "Annotated[list[str] | None, Query(explode=False)]"),
        (param("ids", schema=LIST, style="pipeDelimited", explode=False), 'Query(style="pipeDelimited")'),
        (param("f", schema=OBJECT, style="deepObject", explode=True), 'f: Annotated[CallF | None, Query(style="deepObject")]'),
        (param("f", schema=OBJECT), 'Query(style="form")'), (param("s", schema={"enum": ["a", "b"]}), 's: Literal["a", "b"] | None'),
        (param("d", schema={"type": "string", "format": "date"}), "d: date | None = None"),
        (param("ids", "header", LIST), 'ids: Annotated[list[str] | None, Header("ids")]'),
    ],
)  # fmt: skip
def test_a_parameter_stands_in_the_signature(parameter, said):
    assert said in signature(parameter)


def test_a_parameter_of_a_media_type_is_json():
    made = signature({"name": "q", "in": "query", "content": {"application/json": {"schema": OBJECT}}})
    assert 'q: Annotated[CallQ | None, Query(style="json")]' in made


@pytest.mark.parametrize(
    ("style", "explode", "path"),
    [("simple", False, "/v1/x/a,b"), ("label", True, "/v1/x/.a.b"), ("matrix", False, "/v1/x/;petIds=a,b")],
)
def test_a_path_has_its_style_on_the_wire(style, explode, path):
    made = written(one(path="/x/{petIds}", parameters=[param("petIds", "path", LIST, style=style, explode=explode)]))
    wire = Wire()
    run(made.Shop(wire.client()).call(["a", "b"]))
    assert wire.last.url.raw_path == path


def test_an_undeclared_placeholder_is_a_text():
    assert 'pet_id: Annotated[str, Path("petId")]' in signature(path="/x/{petId}")


def test_two_parameters_of_one_python_name_are_both_sent():
    made = written(
        one(path="/x/{petId}", parameters=[param("petId", "path"), param("pet_id"), param("Pet-Id", "header")])
    )
    wire = Wire()
    run(made.Shop(wire.client()).call("a", pet_id_2="b", pet_id_3="c"))
    assert (wire.last.url.path, wire.last.url.query["pet_id"], wire.last.headers["Pet-Id"]) == ("/v1/x/a", "b", "c")


def test_headers_that_are_said_elsewhere_are_left_out():
    assert signature(param("Accept", "header"), param("Authorization", "header")) == "def call(self) -> Any:"


def test_what_is_not_given_is_not_sent_and_its_default_is_told():
    source = generate(
        one(parameters=[param("limit", schema={"type": "integer", "default": 20}, description="How many")])
    )
    assert "limit: How many. Default: 20." in source
    assert "limit: int | None = None" in source


def test_a_named_enum_is_its_class():
    made = written(
        document({"/x": {"get": {"operationId": "call", "parameters": [param("s", schema=ref("Status"))]}}},
                 {"Status": {"type": "string", "enum": ["on", "off"]}})
    )  # fmt: skip
    wire = Wire()
    run(made.Shop(wire.client()).call(s=made.Status.ON))
    assert wire.last.url.query_string == "s=on"


@pytest.mark.parametrize("name", ["Content-Length", "host", "Transfer-Encoding", "Connection"])
def test_headers_that_the_client_writes_are_no_parameters(name):
    assert signature(param(name, "header", required=True)) == "def call(self) -> Any:"
