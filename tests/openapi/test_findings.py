"""Findings are kept once, and have the lines of the file that they are in."""

from __future__ import annotations

import pytest

from asyncapi.openapi.findings import Findings, nearest, with_lines
from asyncapi.openapi.reading import read

YAML = b"openapi: 3.1.0\ninfo:\n  title: t\npaths:\n  /a:\n    get:\n      responses: {}\n      tags: [x,\n        y]\n"
JSON = b'{"openapi": "3.1.0",\n"info": {\n"title": "t"},\n"paths": {\n"/a": {\n"get": {"responses": {},\n"tags": [{},\n{}]}}}}'


@pytest.mark.parametrize(
    ("where", "in_yaml", "in_json"),
    [("#/info/title", 3, 3), ("#/paths/~1a/get", 6, 6), ("#/paths/~1a/get/tags/1", 9, 8), ("#/info/missing", 2, 2), ("#", 1, 1),
     ("#/nothing/here", None, None)],
)  # fmt: skip
def test_lines_are_those_of_the_part_or_of_what_is_around_it(where, in_yaml, in_json):
    for data, line in ((YAML, in_yaml), (JSON, in_json)):
        findings = Findings()
        findings.error(where, "x")
        assert [each.line for each in with_lines(findings.problems, read(data))] == [line]


def test_a_part_of_another_file_has_the_line_in_that_file(tmp_path):
    (tmp_path / "other.yaml").write_text("a: 1\nb: {c: 2}\n")
    findings = Findings()
    findings.warn(f"{tmp_path}/other.yaml#/b/c", "x")
    findings.warn(f"{tmp_path}/lost.yaml#/b", "x")
    assert [each.line for each in with_lines(findings.problems, read(YAML))] == [2, None]


def test_the_same_finding_counts_once():
    findings = Findings()
    findings.error("#/a", "x", "one")
    findings.error("#/a", "x", "two")
    findings.warn("#/a", "y")
    assert [(each.what, each.severity) for each in findings.problems] == [("x", "error"), ("y", "warning")]


def test_the_nearest_name_is_one_that_is_like_it():
    assert nearest("parmeters", ["parameters", "responses"]) == "parameters"
    assert nearest("zzz", ["parameters"]) == ""
