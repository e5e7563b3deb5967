"""`asyncapi generate --check` says what each kind of fault is, where it stands, and what to do; it exits non-zero."""

from __future__ import annotations

import re

import pytest

from asyncapi.cli import app
from asyncapi.cli.commands import run

pytest.importorskip("yaml")
pytest.importorskip("jsonschema")

GOOD = """\
openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets/{id}:
    get:
      operationId: getPet
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
      responses:
        "200": {description: A pet, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
components:
  schemas:
    Pet:
      type: object
      properties:
        name: {type: string}
"""
PARAMETER = "- {name: id, in: path, required: true, schema: {type: string}}"
NAME = "name: {type: string}"
OPERATION = "#/paths/~1pets~1{id}/get"
PET = "#/components/schemas/Pet"

CIRCLE = """{name: {$ref: "#/components/schemas/A"}}
    A: {$ref: "#/components/schemas/B"}
    B: {$ref: "#/components/schemas/A"}"""
TWIN = """  /pets/{other}:
    get: {operationId: other, parameters: [{name: other, in: path, required: true, schema: {}}], responses: {default: {description: b}}}
components:"""

# What replaces what in the good document; then the code, the pointer and the line, what is said, and what to do.
ERRORS = [
    ("3.0.3", "3.0", "#/openapi", 1, "'3.0' isn't a version", '"openapi": "3.0.0"'),
    ('{title: Pets, version: "1"}', "{title: Pets}", "#/info", 2, "info has no version", "Add version"),
    ("title: Pets", "title: 5", "#/info/title", 2, "the title isn't text", "quotes"),
    ("#/components/schemas/Pet", "#/components/schemas/Pte", f"{OPERATION}/responses/200/content/application~1json/schema",
     10, "leads nowhere", "Is 'Pet' meant?"),
    ("#/components/schemas/Pet", "none.yaml#/Pet", f"{OPERATION}/responses/200/content/application~1json/schema", 10,
     "can't be followed", "there is no file"),
    (PARAMETER, "- {name: no, in: query, schema: {type: string}}", OPERATION, 5, "{id} of /pets/{id} isn't declared",
     "Add it to parameters"),
    (PARAMETER, f"{PARAMETER}\n        {PARAMETER.replace('id', 'x')}", OPERATION, 5, "'x' isn't in the path",
     "Put {x} into the path"),
    ("required: true", "required: false", f"{OPERATION}/parameters/0", 8, "isn't required", '"required": true'),
    ("in: path", "in: road", f"{OPERATION}/parameters/0", 8, "is in 'road'", "It is one of: cookie, header, path, query"),
    (PARAMETER, f"{PARAMETER}\n        {PARAMETER}", f"{OPERATION}/parameters/1", 9, "stands twice", "Remove one"),
    (PARAMETER, '- {$ref: "#/components/schemas/Pet"}', f"{OPERATION}/parameters/0", 8,
     "leads to one of the schemas, and here stands a parameter", "Refer to one of that kind"),
    ('"200":', '"2000":', f"{OPERATION}/responses/2000", 10, "'2000' isn't a status", "200, 404"),
    ("application/json", "json", f"{OPERATION}/responses/200/content/json", 10, "isn't a content type", "application/json"),
    ("type: object", "type: objekt", PET, 13, "'objekt' isn't a type", "Write 'object'"),
    ("type: object", "type: [object, 'null']", PET, 13, "a list of types is a word of OpenAPI 3.1", "nullable"),
    ("type: object", "type: object\n      required: name", f"{PET}/required", 15, "required is a list of names", "Write a list"),
    (NAME, "name: {type: array}", f"{PET}/properties/name", 16, "an array has no items", "Add items"),
    (NAME, "name: {type: string, pattern: '(a'}", f"{PET}/properties/name/pattern", 16, "isn't a regular expression", "Escape"),
    (NAME, "name: {type: string, minLength: -1}", f"{PET}/properties/name/minLength", 16, "a whole number, 0 or more", "Write"),
    (NAME, "name: {type: string, minLength: 3, maxLength: 2}", f"{PET}/properties/name", 16, "nothing is valid", "Swap"),
    (NAME, "name: {type: string, default: 1}", f"{PET}/properties/name/default", 16, "doesn't fit its own schema", "Mend"),
    (NAME, "name: {type: string, enum: [a, 1]}", f"{PET}/properties/name/enum", 16, "the enum mixes", "quotes"),
    (NAME, "name: {type: string, enum: []}", f"{PET}/properties/name/enum", 16, "with one at least", "Write a list"),
    (NAME, "name:", f"{PET}/properties/name", 16, "the schema is null", "Write {}"),
    (NAME, CIRCLE, "#/components/schemas/A", 17, "leads back to itself", "Let one of them say"),
    (NAME, 'name: {}\n      allOf: [{$ref: "#/components/schemas/Pet"}]', PET, 13, "allOf of 'Pet' leads back to itself",
     "Take one of them out"),
    ("components:", TWIN, "#/paths/~1pets~1{other}/get", 12,
     "can't be told from /pets/{id}", "Merge them"),
    ("components:", "  /b: {get: {operationId: getPet, responses: {default: {description: b}}}}\ncomponents:",
     "#/paths/~1b/get/operationId", 11, "is also that of GET /pets/{id}", "a name of its own"),
    ("components:", "  /pets/{id}:\n    get: {operationId: b, responses: {default: {description: b}}}\ncomponents:",
     "#/paths/~1pets~1{id}", 11, "stands twice, and only the last one counts", "Merge them"),
    ("components:", "  b: {get: {operationId: b, responses: {default: {description: b}}}}\ncomponents:", "#/paths/b", 11,
     "doesn't begin with /", 'Write "/b"'),
    ("components:", "  /b: {get: }\ncomponents:", "#/paths/~1b/get", 11, "the operation is null", "remove it"),
    ("operationId: getPet", "operationId: getPet\n      security: [{key: []}]", f"{OPERATION}/security/0", 7,
     "the security scheme 'key' isn't declared", "Declare it in components/securitySchemes"),
]  # fmt: skip
WARNINGS = [
    ("properties:", "propertys: {}\n      properties:", f"{PET}/propertys", 15, "isn't a word of a schema", "Is 'properties' meant?"),
    (NAME, "name: {type: string, example: 1}", f"{PET}/properties/name/example", 16, "the example doesn't fit", "Mend"),
    ("    Pet:", "    My Pet: {}\n    Pet:", "#/components/schemas/My Pet", 13, "is no name", "Use letters"),
    ("operationId: getPet", "summary: a", OPERATION, 5, "no operationId: GET /pets/{id}", "an operationId keeps the name"),
]  # fmt: skip
UNREADABLE = [
    (b"openapi: 4.0.0\npaths: {}\n", "the version '4.0.0' isn't one of OpenAPI", 'write "openapi": "3.1.0"'),
    (b"info:\n\ttitle: T\n", "line 2, column 1: a tab", "indented by spaces"),
    ("openapi: 3.0.3\ninfo: {title: Caf\u00e9}\n".encode("latin-1"), "isn't text in UTF-8: byte 32 is 0xe9, on line 2",
     "Save it as UTF-8"),
    (b'{"openapi": "3.0.3", "x-a": 1e999}', "the number 1e999 is too large", "no reader can hold it"),
    (b"openapi: 3.0.3\nx-a: 1e999\n", "line 2: the number 1e999 is too large", "no reader can hold it"),
    (b'{"openapi": "3.0.3", "x-a": ' + b"1" * 5000 + b"}", "a number has thousands of digits", "shorten it"),
    (b"openapi: 3.0.3\n? [a, b]\n: c\n", "line 2: a mapping's key is a mapping or a list", "keys are text"),
    (b'{"openapi": "3.0.3", "info": {"title": "T', "line 1, column", "is the text cut off?"),
    (b"a: 1\n---\nb: 2\n", "line 2: a second document begins", "keep one in a file"),
    (b"a: !!python/object/apply:os.system [id]\n", "line 1: the tag", "isn't part of OpenAPI"),
    (b"[1, 2]", "holds a list, not an OpenAPI document", "an object with openapi, info and paths"),
    (b"<html>Not found</html>", "is an HTML page", "give the address of the JSON or YAML itself"),
    (b"", "is empty", ""),
]  # fmt: skip


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Run the command over a text, and return its code and the lines that it has printed."""
    monkeypatch.chdir(tmp_path)

    def run_it(data):
        (tmp_path / "api.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
        monkeypatch.setattr("sys.argv", ["asyncapi", "generate", "api.yaml", "--check"])
        code = run(app, "asyncapi")
        printed = capsys.readouterr()
        return code, (printed.out + printed.err).splitlines()

    return run_it


def test_a_good_document_has_no_faults(checked):
    code, said = checked(GOOD)
    assert (code, said) == (0, ["no problems in 1 operations"])


@pytest.mark.parametrize(("old", "new", "where", "line", "what", "hint"), ERRORS)
def test_each_kind_of_error_has_its_place_and_a_way_out(checked, old, new, where, line, what, hint):
    code, said = checked(GOOD.replace(old, new))
    found = [each for each in said if each.startswith(f"error: {where} (line {line}): ")]
    assert code == 1
    assert any(what in each and hint in each for each in found), said


@pytest.mark.parametrize(("old", "new", "where", "line", "what", "hint"), WARNINGS)
def test_warnings_have_their_places_and_are_no_failure(checked, old, new, where, line, what, hint):
    code, said = checked(GOOD.replace(old, new))
    assert (code, len(said)) == (0, 2), said
    assert said[0].startswith(f"warning: {where} (line {line}): ")
    assert what in said[0]
    assert hint in said[0]


@pytest.mark.parametrize(("data", "what", "hint"), UNREADABLE, ids=[what for _, what, _ in UNREADABLE])
def test_what_cannot_be_read_is_one_clear_line(checked, data, what, hint):
    code, said = checked(data)
    assert (code, len(said)) == (2, 1), said
    assert re.match(r"error: api\.yaml", said[0])
    assert what in said[0]
    assert hint in said[0]


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.encode("utf-16"), GOOD.replace('"200"', "200").encode(),
     GOOD.replace("\n", "\r\n").encode()],
    ids=["BOM", "UTF-16", "statuses as numbers", "CRLF"],
)  # fmt: skip
def test_what_only_looks_odd_is_no_fault(checked, data):
    assert checked(data) == (0, ["no problems in 1 operations"])


def test_a_key_that_stands_twice_is_named_once(checked):
    text = '{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {"operationId": "a", '
    text += '"responses": {"200": {"description": ""}}}}'
    code, said = checked(text + ', "/a"' + text.rpartition('"/a"')[2] + "}}")
    assert (code, len(said)) == (1, 2), said
    assert "#/paths/~1a (line 1): the key '/a' stands twice" in said[0]


@pytest.mark.parametrize(
    ("raw", "where", "hint"),
    [("host: https://x.com", "#/host", "api.example.com"), ("basePath: api", "#/basePath", "Begin it with /"),
     ("schemes: [httpx]", "#/schemes/0", "http or https")],
)  # fmt: skip
def test_where_the_api_of_swagger_2_is(checked, raw, where, hint):
    code, said = checked(f'swagger: "2.0"\ninfo: {{title: T, version: "1"}}\n{raw}\npaths: {{}}\n')
    assert code == 1
    assert said[0].startswith(f"error: {where} (line 3)")
    assert hint in said[0]
