"""The operations of a document are found without a parser, and are those that a parser finds."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.errors import ConfigError
from asyncapi.sansio.graphql.document import operation_of, operations

graphql = pytest.importorskip("graphql")


def parsed(text):
    found = graphql.parse(text).definitions
    made = [each for each in found if isinstance(each, graphql.OperationDefinitionNode)]
    return [(each.operation.value, each.name.value if each.name else None) for each in made]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{ a }", [("query", None)]),
        ("query { a }", [("query", None)]),
        ("query Q { a }", [("query", "Q")]),
        ("mutation{a}", [("mutation", None)]),
        ("subscription S($a: Int = 1) @live { a }", [("subscription", "S")]),
        ("\ufeff,, # mutation M { a }\n query Q { a }", [("query", "Q")]),
        ("fragment mutation on Query { a } query Q { ...mutation }", [("query", "Q")]),
        ("query mutation { a }", [("query", "mutation")]),
        ("mutation query { a }", [("mutation", "query")]),
        ('query A($x: I = {a: "}", b: [{c: """ } \\""" { """}]}) { a(b: {c: 1}) }', [("query", "A")]),
        ("query A { a } mutation B { b }", [("query", "A"), ("mutation", "B")]),
        ('{ a(text: "mutation { x }") } # }', [("query", None)]),
        ("query A { a { b { c } } }\nquery B { a }", [("query", "A"), ("query", "B")]),
        ('"""describes""" query A { a } "short" mutation B { b }', [("query", "A"), ("mutation", "B")]),
        ('query A @d(a: {b: "{"}) { a }', [("query", "A")]),
    ],
)
def test_operations_are_found(text, found):
    assert operations(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "   # nothing", "query", "query Q", "{ a", "{ a(b: [1) }", "} { a }", 'query Q { a(b: "x) }', "<html></html>",
        "type A { b: Int }", "fragment F on T { a", '{ a(b: """x) }', "Query { a }", "{ a } }", '"only a description"',
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(text):
    with pytest.raises(ConfigError):
        operation_of(text)


def test_the_operation_that_is_named_is_taken():
    text = "query A { a } mutation B { b } { c }"
    assert (operation_of(text, "B").kind, operation_of(text, "A").kind) == ("mutation", "query")
    assert not operation_of(text, "B").only
    with pytest.raises(ConfigError, match="3 operations"):
        operation_of(text)
    with pytest.raises(ConfigError, match="operation='C': the document has 'A', 'B'"):
        operation_of(text, "C")
    with pytest.raises(ConfigError, match="none with a name"):
        operation_of("{ a }", "C")


def test_a_document_is_text():
    with pytest.raises(ConfigError, match="give its text, not bytes"):
        operation_of(b"{ a }")


def test_a_document_is_read_once():
    assert operation_of("{ once }") is operation_of("{ once }")
    assert operation_of("{ é }").sha256 == hashlib.sha256("{ é }".encode()).hexdigest()


NAMES = st.sampled_from(["a", "query", "mutation", "subscription", "fragment", "on", "_B1", "T"])
TEXTS = st.one_of(
    st.text(
        st.characters(codec="utf-8", exclude_characters='"\\\n\r', exclude_categories=["Cc", "Cs"]), max_size=8
    ).map(lambda text: f'"{text}"'),
    st.sampled_from(
        ['""', '"\\""', '"\\\\"', '"{"', '"#"', '""""""', '"""}"""', '"""\\""""""', '"""a "" b"""', '"""\n#{"""']
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, NAMES, st.sampled_from(["1", "-2.5e3", "$v", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{' '.join(each)}]"),
        st.lists(st.tuples(NAMES, inner), max_size=3).map(
            lambda each: f"{{{', '.join(f'{n}: {v}' for n, v in each)}}}"
        ),
    ),
    max_leaves=6,
)
CONSTANTS = VALUES.filter(lambda text: "$v" not in text)
DIRECTIVES = st.lists(st.builds(lambda n, v: f" @ {n}(a: {v})", NAMES, CONSTANTS), max_size=2).map("".join)
FIELDS = st.recursive(
    st.builds(lambda n, v: f"{n}(x: {v})", NAMES.filter(lambda n: n != "on"), VALUES),
    lambda inner: st.builds(
        lambda n, each: f"{n} {{ {' '.join(each)} }}", NAMES, st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)
GAPS = st.sampled_from([" ", "\n", "\r\n", "\t", ",", "\ufeff", " # query Q { \n", "#}\r", ""])
VARIABLES = st.builds(lambda v, d: f"($v: T = {v}{d})", CONSTANTS, DIRECTIVES) | st.just("")
KINDS = st.sampled_from(["query", "mutation", "subscription"])
DEFINITIONS = st.one_of(
    FIELDS.map(lambda f: f"{{ {f} }}"),
    st.builds(
        lambda kind, name, variables, directives, f: f"{kind} {name}{variables}{directives} {{ {f} }}",
        KINDS, NAMES | st.just(""), VARIABLES, DIRECTIVES, FIELDS,
    ),
    st.builds(
        lambda name, on, directives, f: f"fragment {name} on {on}{directives} {{ {f} }}",
        NAMES.filter(lambda n: n != "on"), NAMES, DIRECTIVES, FIELDS,
    ),
)  # fmt: skip


@given(st.lists(st.tuples(GAPS, DEFINITIONS, GAPS), min_size=1, max_size=4))
def test_the_operations_are_those_that_a_parser_finds(definitions):
    text = "".join(before + one + after for before, one, after in definitions)
    assert operations(text) == parsed(text)


@given(
    st.lists(st.one_of(NAMES, GAPS, TEXTS, st.sampled_from(list('{}()[]:@$!"')), KINDS, st.just("{ a }")), max_size=14)
)
def test_whatever_a_parser_takes_is_read_as_the_parser_reads_it(pieces):
    text = " ".join(pieces)
    try:
        expected = parsed(text)
    except graphql.GraphQLSyntaxError:
        with contextlib.suppress(ConfigError):
            operations(text)
        return
    if all(isinstance(each, graphql.ExecutableDefinitionNode) for each in graphql.parse(text).definitions):
        assert operations(text) == expected


@pytest.mark.parametrize("piece", ['"', '"""', '"""\\', "#", "{", "(", "\\", '""', "{ a } ", "#\n", "query "])
def test_time_grows_with_the_text_alone(piece):
    """Nothing that is a million characters long takes more than one pass."""
    with pytest.raises(ConfigError):
        operation_of("{ a(b: " + piece * (400_000 // len(piece)))
