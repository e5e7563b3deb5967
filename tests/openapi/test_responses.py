"""What an operation returns is a model, text, nothing, a file, events or lines; its errors have models by status."""

from __future__ import annotations

import pytest

from asyncapi import NotFound
from asyncapi.openapi.generating import generate
from asyncapi.testing import reply, run
from written_clients import Wire, document, imported, one, ref, returns, written

TEXT = {"type": "string"}
ROW = {"type": "object", "properties": {"n": {"type": "integer"}}}


def signature(responses, method="get", **more):
    source = generate(one(method, responses=responses, schemas={"Row": ROW}, **more))
    return source[source.index(" def call(") :].split(":\n")[0].split(" -> ")[-1]


@pytest.mark.parametrize(
    ("responses", "kind"),
    [
        (returns(ref("Row")), "Row"), (returns({"type": "array", "items": ref("Row")}), "list[Row]"), (returns(ROW), "CallResponse"),
        ({"204": {"description": ""}}, "None"), ({**returns(ref("Row")), "204": {"description": ""}}, "Row | None"),
        ({**returns(ref("Row")), "202": {"description": "", "content": {"application/json": {"schema": TEXT}}}}, "Row | str"),
        (returns(TEXT, "text/plain"), "str"), (returns({**TEXT, "format": "binary"}, "image/png"), "Stream"),
        (returns({}, "application/octet-stream"), "Stream"), (returns(ref("Row"), "text/event-stream"), "Events[Row]"),
        (returns(TEXT, "text/event-stream"), "Events[ServerSentEvent]"), (returns(ref("Row"), "application/x-ndjson"), "JSONLines[Row]"),
        ({"default": {"description": "", "content": {"application/json": {"schema": ref("Row")}}}}, "Row"),
        ({"2XX": {"description": "", "content": {"application/json": {"schema": ref("Row")}}}}, "Row"),
        (returns({}), "Any"), ({"302": {"description": "elsewhere"}}, "Response"),
    ],
)  # fmt: skip
def test_a_response_is_an_annotation(responses, kind):
    assert signature(responses) == kind


def test_a_head_returns_the_response():
    assert signature(returns(ref("Row")), "head") == "Response"


def call(made, *answers, name="call"):
    wire = Wire(*answers)

    async def main():
        async with made.Shop(wire.client()) as shop:
            return await getattr(shop, name)()

    return run(main()), wire


def test_values_are_validated_and_nothing_is_none():
    made = written(one(responses={**returns(ref("Row")), "204": {"description": ""}}, schemas={"Row": ROW}))
    assert call(made, reply(json={"n": 1}))[0] == made.Row(n=1)
    assert call(made, reply(204))[0] is None


def test_a_file_is_saved_while_it_arrives(tmp_path):
    made = written(one(responses=returns({**TEXT, "format": "binary"}, "application/pdf")))

    async def main():
        async with made.Shop(Wire(reply(content=b"%PDF")).client()) as shop, shop.call() as response:
            await response.save(tmp_path / "a.pdf")

    run(main())
    assert (tmp_path / "a.pdf").read_bytes() == b"%PDF"


def test_events_and_lines_are_read_as_models():
    both = {
        "200": {
            "description": "ends with [DONE]",
            "content": {"text/event-stream": {"schema": ref("Row")}, "application/json": {"schema": ref("Row")}},
        }
    }
    made = written(one("post", responses=both, schemas={"Row": ROW}))
    events = reply(content=b'data: {"n":1}\n\ndata: [DONE]\n\n', headers={"Content-Type": "text/event-stream"})
    wire = Wire(events)

    async def main():
        async with made.Shop(wire.client()) as shop, shop.call_stream() as found:
            return [row async for row in found]

    assert run(main()) == [made.Row(n=1)]
    assert wire.last.headers["Accept"] == "text/event-stream"
    assert call(made, reply(json={"n": 2}))[0] == made.Row(n=2)


def test_errors_have_their_model():
    problem = {"description": "No such row", "content": {"application/problem+json": {"schema": ref("Row")}}}
    made = written(
        one(responses={**returns(ref("Row")), "404": problem, "5XX": problem, "default": problem}, schemas={"Row": ROW})
    )
    with pytest.raises(NotFound) as caught:
        call(made, reply(404, json={"n": 4}))
    assert caught.value.detail == made.Row(n=4)
    said = made.Shop.call.__doc__
    assert "NotFound: No such row. Its `.detail` is a Row." in said
    assert "ServerError: No such row." in said


def test_several_content_types_ask_for_the_one_that_is_read():
    responses = {
        "200": {"description": "", "content": {"application/xml": {}, "application/json": {"schema": ref("Row")}}}
    }
    _, wire = call(written(one(responses=responses, schemas={"Row": ROW})), reply(json={}))
    assert wire.last.headers["Accept"] == "application/json"


def test_a_document_with_a_named_reply_is_the_same():
    made = document(
        {"/x": {"get": {"operationId": "call", "responses": {"200": {"$ref": "#/components/responses/R"}}}}},
        {"Row": ROW},
        components={"responses": {"R": {"description": "", "content": {"application/json": {"schema": ref("Row")}}}}},
    )
    assert "-> Row:" in generate(made)


def test_headers_that_are_the_result_come_with_the_response():
    headers = {
        "Location": {"schema": TEXT, "description": "Where the pet is. Always."},
        "X-RateLimit-Left": {"schema": TEXT},
    }
    made = one("post", responses={"201": {"description": "Added", "headers": headers}})
    source = generate(made)
    assert "-> Response:" in source
    assert "Added. Headers: Location (Where the pet is)." in source
    wire = Wire(reply(201, headers={"Location": "/pets/1"}))
    assert run(imported(source).Shop(wire.client()).call()).headers["Location"] == "/pets/1"


def test_headers_about_the_exchange_alone_change_nothing():
    headers = {"X-Request-Id": {"schema": TEXT}, "ETag": {"schema": TEXT}}
    assert "-> None:" in generate(one("post", responses={"204": {"description": "", "headers": headers}}))


def test_headers_beside_a_model_are_named():
    source = generate(one(responses=returns(TEXT, headers={"X-Total": {"schema": TEXT}})))
    assert "Headers: X-Total." in source
