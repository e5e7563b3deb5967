"""A job file says what the command line says; the command line wins."""

import json

import click
import pytest

from asyncapi.cli.fetch_options import TABLE
from asyncapi.cli.job_file import with_file

ROWS = [row for rows in TABLE.values() for row in rows if row.name != "job"]


@pytest.fixture
def settings(tmp_path):
    """What a job file sets, with the options that are given besides."""

    def read(text, **given):
        (tmp_path / "job.toml").write_text(text)
        return with_file(str(tmp_path / "job.toml"), TABLE, given)

    return read


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('url = "https://h/{id}"', "url", "https://h/{id}"),
        ('input = "https://h/1"', "input", ("https://h/1",)),
        ('input = ["https://h/1", "https://h/2"]', "input", ("https://h/1", "https://h/2")),
        ("limit = 7", "limit", 7),
        ('limit = "7"', "limit", 7),
        ("rate = 50", "rate", "50"),
        ('rate = "100/m"', "rate", "100/m"),
        ("timeout = 2.5", "timeout", 2.5),
        ("timeout = 2", "timeout", 2.0),
        ("max-outage = inf", "max_outage", float("inf")),
        ("max_outage = 5", "max_outage", 5.0),
        ("resume = true", "resume", True),
        ("pace = false", "pace", False),
        ('retry-budget = "50%"', "retry_budget", 0.5),
        ("retry-budget = 0.5", "retry_budget", 0.5),
        ('header = ["X-A: 1", "X-B: 2"]', "headers", {"X-A": "1", "X-B": "2"}),
        ('header = "X-A: 1"', "headers", {"X-A": "1"}),
        ('[headers]\nX-A = "1"', "headers", {"X-A": "1"}),
        ('[header]\nX-A = "1"', "headers", {"X-A": "1"}),
        ('json = \'{"a": "{b}"}\'', "json", '{"a": "{b}"}'),
        ('[json]\na = "{b}"\nn = [1, true]', "json", {"a": "{b}", "n": [1, True]}),
        ('data = "a={b}"', "data", "a={b}"),
        ('data = ["a={b}", "c=1"]', "data", "a={b}&c=1"),
        ('carry = "all"', "carry", "all"),
        ('carry = ["a", "b"]', "carry", ("a", "b")),
        ('carry = "a,b"', "carry", ("a", "b")),
        ('select = ["x.y", "z=a.b"]', "select", ("x.y", "z=a.b")),
        ('with = ["headers", "url"]', "extra", ("headers", "url")),
        ("fail-fast = [401, 403]", "fail_fast", (401, 403)),
        ("fail-fast = 401", "fail_fast", (401,)),
        ('retry-on = [429, "ConnectError"]', "retry_on", (429, "ConnectError")),
        ('format = "csv"', "format", "csv"),
        ("dry-run = true", "dry_run", True),
    ],
)
def test_a_value_of_each_type_is_read(settings, line, name, value):
    assert settings(line)[name] == value


def test_every_option_can_stand_in_a_job_file(settings):
    """By its long name, with - and with _."""
    for row in ROWS:
        if row.kind.switch:
            value = "true"
        elif row.kind.words:
            value = json.dumps(row.kind.words[0])
        else:
            value = {"headers": '["A: b"]', "fail_fast": "[401]", "retry_on": "429", "retry_budget": "0.5"}.get(
                row.name, '"5"'
            )
        for key in (row.long[2:], row.long[2:].replace("-", "_")):
            assert row.name in settings(f"{key} = {value}")


def test_paths_are_relative_to_the_file(settings, tmp_path):
    (tmp_path / "body.json").write_text("{}")
    found = settings(
        'input = "urls.txt"\noutput = "-"\nreport = "r.html"\nca = "/etc/ca.pem"\nsave-dir = "a/b"\njson = "@body.json"\n'
        'failed-to = "s3://bucket/failed.jsonl"\n'
    )
    assert found == {
        "input": (f"{tmp_path}/urls.txt",), "output": "-", "report": f"{tmp_path}/r.html", "ca": "/etc/ca.pem",
        "save_dir": f"{tmp_path}/a/b", "json": "{}", "failed_to": "s3://bucket/failed.jsonl",
    }  # fmt: skip


def test_what_is_given_overrides_the_file(settings):
    text = 'retry = 9\nresume = true\ncarry = "all"\njson = "{}"\nauth-env = "A"\ninput = "a"\n[headers]\nX-A = "1"\nX-B = "2"\n'
    given = {
        "retry": 2, "resume": False, "data": "x", "user": "a:b", "source": "f.csv", "headers": {"x-a": "3", "X-C": "4"},
    }  # fmt: skip
    assert settings(text, **given) == {
        **given, "carry": "all", "headers": {"x-a": "3", "X-B": "2", "X-C": "4"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\nretires = 3\n", ":2: no such option 'retires': did you mean redirects or retry?"),
        ("retries = 3\n", ":1: no such option 'retries': --retry N is the number of attempts in all"),
        ("xyzzy = 3\n", ":1: no such option 'xyzzy'"),
        ('a = 1\n[fetch]\noutput = "x"\n', ":1: no such option 'a'"),
        ('job = "other.toml"\n', ":1: no such option 'job'"),
        ("rate = 5\nretry = 0\n", ":2: retry: 0 is too small: give 1 or more"),
        ('retry = "soon"\n', ":1: retry: 'soon' is not a whole number"),
        ("retry = true\n", ":1: retry: true is not a whole number"),
        ("resume = 1\n", ":1: resume: give true or false, not 1"),
        ('format = "xml"\n', ":1: format: 'xml' is not one of 'text', 'jsonl', 'csv', 'tsv'"),
        ("output = 3\n", ":1: output: give the name of a file, not 3"),
        ("input = 3\n", ":1: input: give the name of a file, or a list of URLs"),
        ("with = ['body']\n", ":1: with: 'body' is not one of 'headers', 'url', 'bytes'"),
        ("fail-fast = ['x']\n", ":1: fail-fast: 'x' is not a status: write numbers such as 401,403"),
        ("header = 3\n", ":1: header: 3 is no value of this option"),
        ("[headers]\nX-A = 1\n", ":1: headers: X-A = 1 is no header: write its value in quotes"),
        ('[headers]\nX-A = "1"\nrate = 5\n', ":3: 'rate' is an option: move it above [headers]"),
        ('json = "@nothing.json"\n', "nothing.json: No such file or directory"),
        ("max-wait = 5\nmax_wait = 6\n", ":2: 'max_wait' is there twice, under two names"),
        ("retry = \n", "is not valid TOML: Invalid value (at line 1, column 9)"),
        ("retry = 1\nretry = 2\n", "is not valid TOML: Cannot overwrite a value (at line 2, column 10)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(settings, text, says):
    with pytest.raises(click.UsageError) as caught:
        settings(text)
    assert says in caught.value.message


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path):
    with pytest.raises(click.UsageError, match=r"cannot read the job file .*none\.toml: No such file"):
        with_file(str(tmp_path / "none.toml"), TABLE, {})
    (tmp_path / "latin.toml").write_bytes(b"url = '\xff'\n")
    with pytest.raises(click.UsageError, match="is not UTF-8 text"):
        with_file(str(tmp_path / "latin.toml"), TABLE, {})


@pytest.mark.lanes
@pytest.mark.parametrize("as_input", [True, False])
async def test_a_job_file_runs_and_flags_override_it(tmp_path, server, asyncapi, as_input):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/ids.csv").write_text("id\n7\n8\n")
    (tmp_path / "jobs/mine.py").write_text("import pydantic\nclass Item(pydantic.BaseModel):\n    path: str\n")
    (tmp_path / "jobs/job.toml").write_text(
        f'url = "{server.url}/items/{{id}}"\nfrom = "ids.csv"\noutput = "out.jsonl"\nmethod = "PUT"\nmodel = "mine:Item"\n'
        '[headers]\nX-A = "file"\nX-B = "file"\n'
    )
    named = ("jobs/job.toml",) if as_input else ("--job", "jobs/job.toml")
    code, _, err = await asyncapi("fetch", *named, "-X", "DELETE", "-H", "X-A: flag")
    assert code == 0, err
    assert len((tmp_path / "jobs/out.jsonl").read_text().splitlines()) == 2
    assert {(seen.method, seen.headers["X-A"], seen.headers["X-B"]) for seen in server.seen} == {
        ("DELETE", "flag", "file")
    }


@pytest.mark.lanes
async def test_a_dry_run_shows_what_the_job_file_makes(tmp_path, asyncapi):
    (tmp_path / "urls.txt").write_text("https://h.example/1\n")
    (tmp_path / "job.toml").write_text('input = "urls.txt"\noutput = "out.csv"\nrate = "100/m"\nretry = 7\n')
    code, out, err = await asyncapi("fetch", "--job", "job.toml", "--dry-run", "--retry", "2")
    assert code == 0, err
    assert [fact for fact in ("https://h.example/1", "out.csv", "100 a minute", "2 attempts") if fact not in out] == []
