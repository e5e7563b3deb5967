"""The head of a document, its servers, security schemes, content types and words are checked."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read

GET = {"operationId": "a", "responses": {"200": {"description": ""}}}


def found(spec="3.0.3", get=GET, **more):
    head = {"swagger": spec} if spec == "2.0" else {"openapi": spec}
    whole = {**head, "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": get}}, **more}
    return check(read(json.dumps({key: value for key, value in whole.items() if value is not None}).encode()))


def scheme(**said):
    return {"components": {"securitySchemes": {"s": said}}}


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"spec": "3.0.9"}, "'3.0.9' isn't a version of the specification"),
        ({"spec": "3.0"}, "'3.0' isn't a version"),
        ({"info": None}, "info is missing"),
        ({"info": {"title": "t"}}, "info has no version"),
        ({"info": {"title": "t", "version": 1.0}}, "the version isn't text"),
        ({"paths": None}, "paths is missing"),
        ({"servers": [{"url": "https://{h}/"}]}, "the variable {h} of the server https://{h}/ isn't declared"),
        ({"servers": [{"url": "https://{h}/", "variables": {"h": {}}}]}, "the server's variable 'h' has no default"),
        ({"servers": [{"url": "https://{h}/", "variables": {"h": {"enum": ["a"], "default": "b"}}}]}, "isn't one of its enum"),
        ({"servers": [{"description": "x"}]}, "a server has no url"),
        ({"servers": [{"url": "https://a b/"}]}, "has a space"),
        (scheme(type="basic"), "the type 'basic' of the security scheme 's' isn't known"),
        (scheme(type="apiKey", name="X"), "the API key 's' needs a name and a place"),
        (scheme(type="http"), "the security scheme 's' has no scheme"),
        (scheme(type="openIdConnect"), "has no openIdConnectUrl"),
        (scheme(type="oauth2"), "has no flows"),
        (scheme(type="oauth2", flows={"accessCode": {}}), "'accessCode' isn't a flow of OAuth 2.0"),
        (scheme(type="oauth2", flows={"clientCredentials": {"scopes": {}}}), "the flow 'clientCredentials' of 's' has no tokenUrl"),
        ({"get": {**GET, "requestBody": {"content": {"json": {"schema": {}}}}}}, "'json' isn't a content type"),
        ({"get": {**GET, "requestBody": {"content": {}}}}, "the request body has no content"),
        ({"spec": "2.0", "consumes": ["form"]}, "'form' isn't a content type"),
        ({"spec": "2.0", "securityDefinitions": {"s": {"type": "http", "scheme": "bearer"}}}, "isn't known"),
    ],
)  # fmt: skip
def test_faults_are_errors_with_a_hint(more, what):
    match = [each for each in found(**more) if what in each.what]
    assert [each.severity for each in match] == ["error"]
    assert match[0].hint


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/vnd.api+json; version=1",
        "*/*",
        "image/*",
        'multipart/form-data; boundary="a b"',
        "text/plain;",
    ],
)
def test_content_types_may_have_parameters_and_wildcards(kind):
    assert found(get={**GET, "requestBody": {"content": {kind: {"schema": {}}}}}) == []


@pytest.mark.parametrize(
    ("get", "what", "hint"),
    [
        ({**GET, "paramaters": []}, "'paramaters' isn't a word of OpenAPI here", "Is 'parameters' meant?"),
        ({**GET, "zzz": 1}, "'zzz' isn't a word", "x-"),
        ({**GET, "responses": {"200": {}}}, "the response has no description", "required"),
    ],
)
def test_words_without_effect_are_warnings(get, what, hint):
    (problem,) = found(get=get)
    assert problem.severity == "warning"
    assert what in problem.what
    assert hint in problem.hint


def test_extensions_are_left_alone():
    assert found(get={**GET, "x-anything": 1}, **{"x-more": []}) == []
