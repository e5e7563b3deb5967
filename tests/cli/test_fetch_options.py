"""The table of options and `Job` say the same."""

import dataclasses

import pytest

from asyncapi.bulk import Job
from asyncapi.cli.fetch_options import TABLE, headers, share
from asyncapi.settings import Retry

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
