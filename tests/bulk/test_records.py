"""Every format gives the same records: a number, what an error quotes, and columns."""

import pytest

from asyncapi.bulk.recipe import Recipe
from asyncapi.bulk.records import Records
from asyncapi.bulk.sources import source_of
from asyncapi.errors import ConfigError

CONTENT = {
    "a.txt": "https://h/1\n# no\n\nhttps://h/2\n",
    "a.csv": "url,n\nhttps://h/1,x\n\nhttps://h/2,y\n",
    "a.tsv": "url\tn\nhttps://h/1\tx\n\nhttps://h/2\ty\n",
    "a.jsonl": '{"url":"https://h/1"}\n\n\n{"url":"https://h/2"}\n',
}


def records_of(tmp_path, name, **settings):
    (tmp_path / name).write_text(CONTENT[name])
    return Records(source_of(tmp_path / name), Recipe(**settings))


@pytest.mark.parametrize("name", CONTENT)
def test_each_record_has_its_line_number_and_its_columns(tmp_path, name):
    records = records_of(tmp_path, name)
    found = [(number, row["url"]) for number, _, row in records.read()]
    assert found == [(1 if name in {"a.txt", "a.jsonl"} else 2, "https://h/1"), (4, "https://h/2")]
    assert records.urls_alone == (name == "a.txt")
    assert records.format == {"a.txt": "text"}.get(name, name[2:])


def test_the_names_of_the_columns_are_known_from_a_header_alone(tmp_path):
    for name, names in (("a.csv", ("url", "n")), ("a.txt", ("url",)), ("a.jsonl", None)):
        records = records_of(tmp_path, name, carry="all")
        next(records.read())
        assert records.names == names


def test_columns_that_are_named_are_checked_where_the_header_is_known(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.csv:1: no column 'm' \(the columns are: url, n\)"):
        next(records_of(tmp_path, "a.csv", carry=("m",)).read())
    with pytest.raises(ConfigError, match=r"a\.txt: no column 'm' \(the columns are: url\)"):
        next(records_of(tmp_path, "a.txt", carry=("m",)).read())
