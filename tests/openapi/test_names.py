"""Names of a document become names of Python: readable, valid, each of them once."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.openapi.names import (
    class_names,
    member_names,
    method_names,
    parameter_names,
    pascal,
    short_names,
    singular,
    snake,
    spelled,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("petId", "pet_id"), ("X-Rate-Limit", "x_rate_limit"), ("HTTPServer", "http_server"), ("filter[name]", "filter_name"),
        ("class", "class_"), ("$top", "top"), ("größe", "größe"), ("1st", "value_1st"), ("", "value"), ("ﬁx", "fix"),
        ("userIDs", "user_ids"), ("OAuth2Scopes", "oauth2_scopes"), ("IPv4", "ipv4"), ("名前", "名前"), ("match", "match_"), ("a b/c.d", "a_b_c_d"),
    ],
)  # fmt: skip
def test_a_parameter_is_written_with_underscores(text, name):
    assert snake(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pet-status", "PetStatus"),
        ("HTTPError", "HTTPError"),
        ("petId", "PetId"),
        ("1st", "Model1st"),
        ("ärger", "Ärger"),
    ],
)
def test_a_class_is_written_with_capitals(text, name):
    assert pascal(text) == name


@given(st.text())
def test_every_text_becomes_a_name(text):
    assert snake(text).isidentifier()
    assert not keyword.iskeyword(snake(text))
    assert pascal(text).isidentifier()


def test_the_second_of_two_names_gets_a_number():
    names = parameter_names()
    assert [names.take(snake(one)) for one in ("petId", "pet_id", "pet-id")] == ["pet_id", "pet_id_2", "pet_id_3"]


def test_names_that_the_file_needs_are_not_taken():
    assert [method_names().take(one) for one in ("list", "get", "client", "fine")] == [
        "list_",
        "get_",
        "client_",
        "fine",
    ]
    assert [class_names().take(one) for one in ("Response", "Warning", "Pet")] == [
        "ResponseModel",
        "WarningModel",
        "Pet",
    ]
    assert parameter_names().take("self") == "self_"


def test_one_of_several_has_the_singular():
    assert [singular(one) for one in ("Pets", "Boxes", "Entries", "Data")] == ["Pet", "Box", "Entry", "DataItem"]


def test_members_of_an_enum_have_names_that_say_their_values():
    given = ["", "+1", "-1", "a-b", "a_b", "inProgress", "*", "mro", "größe", "2xx", 'say "hi"']
    assert member_names(given) == [
        "EMPTY", "PLUS_1", "MINUS_1", "A_B", "A_B_2", "IN_PROGRESS", "STAR", "MRO_", "GRÖSSE", "VALUE_2XX", "SAY_HI",
    ]  # fmt: skip
    assert member_names([0, -1]) == ["VALUE_0", "VALUE_MINUS_1"]


def test_fields_are_not_cut_in_the_middle_of_a_word():
    assert spelled(["userIDs", "OAuthToken", "name", "petId"]) == {"userIDs": "user_ids", "OAuthToken": "oauth_token"}
    assert spelled(["userIDs", "user_ids"]) == {}


def test_dotted_names_are_cut_where_the_last_part_is_enough():
    found = short_names(["io.v1.Pod", "io.v1.Job", "batch.v1.Job"])
    assert found == {"io.v1.Pod": "Pod", "io.v1.Job": "io.v1.Job", "batch.v1.Job": "batch.v1.Job"}
