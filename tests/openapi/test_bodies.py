"""A body becomes a model, form fields, files or content, and goes out under its content type."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.generating import generate
from asyncapi.testing import run
from written_clients import OK, Wire, body, document, one, ref, written

TEXT = {"type": "string"}
PET = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": TEXT, "tag": TEXT, "nick": {"type": ["string", "null"]}},
}
FILE = {"type": "string", "format": "binary"}


def posted(schema, kind="application/json", *args, schemas=None, required=True, **named):
    made = written(one("post", schemas=schemas, requestBody=body(schema, kind, required=required)))
    wire = Wire()

    def value(one):
        return one(made) if callable(one) else one

    run(made.Shop(wire.client()).call(*map(value, args), **{key: value(each) for key, each in named.items()}))
    return wire


def test_a_model_sends_what_is_set_and_null_only_where_it_may_be():
    wire = posted(
        ref("Pet"), "application/json", lambda made: made.Pet(name="Rex", tag=None, nick=None), schemas={"Pet": PET}
    )
    assert json.loads(wire.body) == {"name": "Rex", "nick": None}
    wire = posted(ref("Pet"), "application/json", lambda made: made.Pet(name="Rex"), schemas={"Pet": PET})
    assert json.loads(wire.body) == {"name": "Rex"}


def test_an_optional_body_may_be_left_out():
    wire = posted(ref("Pet"), schemas={"Pet": PET}, required=False)
    assert (wire.body, "Content-Type" in wire.last.headers) == (b"", False)


@pytest.mark.parametrize(
    ("schema", "value", "sent"),
    [
        ({"type": "array", "items": TEXT}, ["a"], b'["a"]'), ({"type": "object"}, {"a": 1}, b'{"a":1}'),
        ({"type": "string"}, "a", b'"a"'), ({}, None, b""), ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, b'{"a":1}'),
    ],
)  # fmt: skip
def test_plain_data_is_json(schema, value, sent):
    assert posted(schema, "application/json", value).body == sent


def test_json_of_another_name_keeps_it():
    wire = posted(ref("Pet"), "application/merge-patch+json", lambda made: made.Pet(name="x"), schemas={"Pet": PET})
    assert wire.last.headers["Content-Type"] == "application/merge-patch+json"


def test_a_form_has_a_parameter_for_each_property():
    wire = posted(PET, "application/x-www-form-urlencoded", name="Rex", tag="a b")
    assert wire.body == b"name=Rex&tag=a+b"


def test_a_file_is_uploaded_beside_the_fields():
    schema = {
        "type": "object",
        "required": ["photo"],
        "properties": {"photo": FILE, "more": {"type": "array", "items": FILE}, "meta": ref("Pet"), "title": TEXT},
    }
    wire = posted(
        schema, "multipart/form-data", photo=("a.png", b"PNG"), more=[b"1", b"2"], title="T",
        meta=lambda made: made.Pet(name="Rex"), schemas={"Pet": PET},
    )  # fmt: skip
    assert wire.last.headers["Content-Type"].startswith("multipart/form-data")
    assert wire.body.count(b'; name="more"') == 2
    assert b'filename="a.png"' in wire.body
    assert b'Content-Type: application/json\r\n\r\n{"name":"Rex"}' in wire.body


def test_a_multipart_form_without_files_stays_one():
    assert posted(PET, "multipart/form-data", name="x").last.headers["Content-Type"].startswith("multipart/form-data")


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("application/octet-stream", b"\x00", b"\x00"),
        ("text/plain", "ä", "ä".encode()),
        ("application/xml", "<a/>", b"<a/>"),
        ("image/png", b"P", b"P"),
    ],
)
def test_other_content_goes_out_as_it_is(kind, value, sent):
    wire = posted({"type": "string"}, kind, value)
    assert (wire.body, wire.last.headers["Content-Type"]) == (sent, kind)


FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def contents(**kinds):
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in kinds.items()}}


def test_a_form_that_carries_more_than_the_json_has_a_method_of_its_own():
    upload = {"type": "object", "required": ["photo"], "properties": {"photo": FILE, "name": TEXT}}
    made = written(
        one("post", schemas={"Pet": PET}, requestBody=contents(**{"application/json": ref("Pet"), MULTIPART: upload}))
    )
    wire = Wire()
    run(made.Shop(wire.client()).call(made.Pet(name="Rex")))
    assert wire.body == b'{"name":"Rex"}'
    run(made.Shop(wire.client()).call_form(photo=b"PNG", name="Rex"))
    assert wire.last.headers["Content-Type"].startswith(MULTIPART)


def test_the_same_data_in_another_notation_has_none():
    same = contents(**{"application/json": ref("Pet"), FORM: ref("Pet"), "application/xml": ref("Pet")})
    made = written(one("post", schemas={"Pet": PET}, requestBody=same))
    assert [name for name in vars(made.Shop) if name.startswith("call")] == ["call"]


def test_content_beside_json_has_a_method_of_its_own():
    both = contents(**{"application/json": ref("Pet"), "text/csv": TEXT, "application/octet-stream": FILE})
    made = written(one("post", schemas={"Pet": PET}, requestBody=both))
    wire = Wire()
    run(made.Shop(wire.client()).call_text("a,b"))
    assert (wire.body, wire.last.headers["Content-Type"]) == (b"a,b", "text/csv")
    run(made.Shop(wire.client()).call_content(b"\x00"))
    assert (wire.body, wire.last.headers["Content-Type"]) == (b"\x00", "application/octet-stream")


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "additionalProperties": FILE}])
def test_a_multipart_form_without_known_fields_takes_any(schema):
    wire = posted(schema, MULTIPART, fields={"a": 1, "b": [1, 2]}, files={"f": ("x.txt", b"hi")})
    assert wire.last.headers["Content-Type"].startswith(MULTIPART)
    assert [wire.body.count(part) for part in (b'name="a"', b'name="b"', b'name="f"; filename="x.txt"')] == [1, 2, 1]
    assert posted(schema, MULTIPART).last.headers["Content-Type"].startswith(MULTIPART)


def test_a_form_without_known_fields_takes_any():
    assert posted({"type": "object"}, FORM, fields={"a": 1, "b": [1, 2]}).body == b"a=1&b=1&b=2"


def test_form_data_by_another_name_is_a_multipart_form():
    wire = posted(PET, "application/form-data", name="Rex")
    assert wire.last.headers["Content-Type"].startswith(MULTIPART)
    assert b'name="name"\r\n\r\nRex' in wire.body


def test_a_body_that_fastapi_has_named_is_called_body():
    schemas = {"Body_call_x_post": PET, "Body_up_x_put": PET}
    paths = {
        "/x": {
            "post": {"operationId": "call_x_post", "responses": OK, "requestBody": body(ref("Body_call_x_post"))},
            "put": {"operationId": "up_x_put", "responses": OK, "requestBody": body(ref("Body_up_x_put"), MULTIPART)},
        }
    }
    source = generate(document(paths, schemas))
    assert "self, body: CallRequest" in source
    assert "UpRequest" not in source  # the form has its fields as parameters


def test_json_is_preferred_and_a_get_has_no_body():
    made = one("post", requestBody={"content": {"text/xml": {}, "application/json": {"schema": TEXT}}})
    assert "Annotated[str | None, Body()]" in generate(made)
    assert "Body" not in generate(one("get", requestBody=body(TEXT)))


def test_a_delete_has_one_where_the_document_says_so():
    made = written(one("delete", schemas={"Pet": PET}, requestBody=body(ref("Pet"))))
    wire = Wire()
    run(made.Shop(wire.client()).call(made.Pet(name="x")))
    assert wire.body == b'{"name":"x"}'


def test_read_only_properties_are_not_sent_and_write_only_ones_not_received():
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "name": TEXT,
            "password": {**TEXT, "writeOnly": True},
        },
    }
    made = written(
        document(
            {
                "/x": {
                    "post": {
                        "operationId": "call",
                        "requestBody": body(ref("User")),
                        "responses": {
                            "200": {"description": "", "content": {"application/json": {"schema": ref("User")}}}
                        },
                    }
                }
            },
            {"User": schema},
        )
    )
    assert set(made.UserInput.model_fields) == {"name", "password"}
    assert set(made.User.model_fields) == {"id", "name"}


NESTED = {"type": "object", "properties": {"a": TEXT, "b": {"type": "array", "items": TEXT}}}


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ({}, b"ids=1&ids=2&of=%7B%22a%22%3A%22x%22%2C%22b%22%3A%5B%22y%22%5D%7D"),
        ({"ids": {"style": "form", "explode": False}}, b"ids=1%2C2&of=%7B%22a%22%3A%22x%22%2C%22b%22%3A%5B%22y%22%5D%7D"),
        ({"ids": {"style": "pipeDelimited"}, "of": {"explode": True}}, b"ids=1%7C2&a=x&b=y"),
        ({"ids": {"style": "deepObject", "explode": True}, "of": {"style": "deepObject"}}, b"ids%5B0%5D=1&ids%5B1%5D=2&of%5Ba%5D=x&of%5Bb%5D%5B0%5D=y"),
    ],
)  # fmt: skip
def test_a_field_of_a_form_has_the_style_of_its_encoding(encoding, sent):
    schema = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "integer"}}, "of": NESTED}}
    kind = "application/x-www-form-urlencoded"
    content = {"required": True, "content": {kind: {"schema": schema, "encoding": encoding}}}
    made = written(one("post", requestBody=content))
    wire = Wire()
    run(made.Shop(wire.client()).call(ids=[1, 2], of=made.CallOf(a="x", b=["y"])))
    assert wire.body == sent
    run(made.Shop(wire.client()).call())
    assert wire.body == b""


def test_a_file_that_json_would_have_to_carry_makes_the_form_the_one():
    upload = {"type": "object", "required": ["photo"], "properties": {"photo": FILE, "name": TEXT}}
    both = contents(**{"application/json": ref("Up"), MULTIPART: ref("Up")})
    made = written(one("post", schemas={"Up": upload}, requestBody=both))
    wire = Wire()
    run(made.Shop(wire.client()).call(photo=b"PNG"))
    assert wire.last.headers["Content-Type"].startswith(MULTIPART)
    assert not hasattr(made.Shop, "call_form")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({"a": TEXT}, FORM), ({"a": FILE}, MULTIPART), ({"a": {"type": "object", "properties": {"b": TEXT}}}, MULTIPART)],
)
def test_a_form_goes_in_parts_where_it_has_files_or_objects(fields, kind):
    schema = {"type": "object", "properties": fields}
    made = written(one("post", requestBody=contents(**{MULTIPART: schema, FORM: schema})))
    wire = Wire()
    value = made.CallA(b="x") if "object" in str(fields["a"]) else "x" if fields["a"] == TEXT else b"x"
    run(made.Shop(wire.client()).call(a=value))
    assert wire.last.headers["Content-Type"].startswith(kind)


def test_content_of_a_range_of_types_says_its_own():
    wire = posted(FILE, "image/*", b"PNG", content_type="image/png")
    assert (wire.body, wire.last.headers["Content-Type"]) == (b"PNG", "image/png")
    assert posted(FILE, "image/*", b"PNG").last.headers["Content-Type"] == "application/octet-stream"
