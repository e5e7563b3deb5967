"""The table of options and `Job` say the same."""

import dataclasses
import re
from pathlib import Path

import pytest

from asyncapi.bulk import Job
from asyncapi.cli.fetch_options import TABLE, carried, causes, extras, form, headers, json_body, paths, share, statuses
from asyncapi.settings import Retry
from tests.support.options_page import page

ROWS = [row for rows in TABLE.values() for row in rows]
FIELDS = {field.name: field for field in dataclasses.fields(Job)}
OF_THE_COMMAND = {"source", "ca", "insecure", "dry_run", "quiet", "job"}


def test_every_option_is_a_setting_of_the_job_and_every_setting_an_option():
    assert {row.name for row in ROWS} - OF_THE_COMMAND == set(FIELDS) - {"input", "tls"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.default], ids=lambda row: row.name)
def test_a_default_in_the_help_is_that_of_the_job(row):
    default = FIELDS[row.name].default
    if row.name == "retry":
        default = Retry().max_attempts
    if row.name == "method":  # as tests/bulk/test_recipe.py holds
        default = "GET, or POST with a body"
    if row.kind.switch:
        default = row.long[2:] if default else "no-" + row.long[2:]
    assert row.default == (f"{default:g}" if isinstance(default, float) else str(default))


@pytest.mark.parametrize(("text", "value"), [("none", "none"), ("50%", 0.5), ("0.2", 0.2), (2, 2.0)])
def test_a_share_is_a_figure_or_percent(text, value):
    assert share(text) == value


@pytest.mark.parametrize("text", ["many", "-1", "11", "nan", True])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="is not a share: write 0\\.5, 50% or none"):
        share(text)


def test_headers_are_lines_or_a_table():
    assert headers(("A: b: c", "D:e")) == headers({"A": "b: c", "D": "e"}) == {"A": "b: c", "D": "e"}
    with pytest.raises(ValueError, match="write 'Name: value', not 'nonsense'"):
        headers(("nonsense",))


def test_the_page_of_options_says_what_the_table_says():
    """If it does not: python tests/support/options_page.py > docs/bulk-options.md."""
    assert (Path(__file__).parents[2] / "docs/bulk-options.md").read_text() == page()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_explanation_is_a_sentence_that_names_no_setting_of_python(row):
    assert row.text[0].isupper()
    assert row.text.rstrip("]")[-1] in ".y"
    assert "=" not in row.text.replace("NAME=PATH", "").replace("Header-Name=VARIABLE", "").replace("a={a}&b={b}", "")


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (carried, "all", "all"), (carried, "none", "none"), (carried, "a, b", ("a", "b")), (carried, ["a"], ("a",)),
        (extras, ("headers,url", "url"), ("headers", "url")), (statuses, ("401,403",), (401, 403)), (statuses, 401, (401,)),
        (causes, ("429,ConnectError",), (429, "ConnectError")), (paths, ("a,b", 'c["d,e"]'), ("a,b", 'c["d,e"]')),
        (form, ("a={a}", "b=1"), "a={a}&b=1"), (json_body, {"a": 1}, {"a": 1}), (json_body, '{"a": 1}', '{"a": 1}'),
    ],
)  # fmt: skip
def test_lists_may_be_repeated_or_separated_by_commas(read, value, found):
    assert read(value) == found


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (extras, "body", "'body' is not one of 'headers', 'url', 'bytes'"),
        (statuses, "99", "'99' is not a status: write numbers such as 401,403"),
        (statuses, "4xx", "'4xx' is not a status"),
        (causes, "600", "'600' is not a status"),
        (carried, True, "give a list, not true"),
        (json_body, "@none.json", "cannot read none.json: No such file or directory"),
    ],
)
def test_a_list_that_is_wrong_is_refused(read, value, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        read(value)


def test_a_body_may_be_read_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_text('{"ü": 1}', encoding="utf-8")
    assert json_body("@body.json") == form("@body.json") == '{"ü": 1}'
    (tmp_path / "body.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="it is not UTF-8 text"):
        json_body("@body.json")
