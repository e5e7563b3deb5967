"""An output that would be lost or mixed up is refused before anything is opened."""

import pytest

from asyncapi.bulk.places import check_empty, check_output, journal_path
from asyncapi.bulk.sinks import sink_for
from asyncapi.errors import ConfigError


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv.gz", "out.sqlite", "out.parquet"])
def test_what_exists_is_left_alone(tmp_path, name):
    path = tmp_path / name
    sink = sink_for(path)
    assert journal_path(sink) == tmp_path / f"{name}.journal"
    check_output(sink, "-", resume=False, overwrite=False)
    check_empty(sink)
    path.write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"exists: --overwrite replaces it, --resume continues"):
        check_output(sink, "-", resume=False, overwrite=False)
    with pytest.raises(ConfigError, match=r"has no journal .* it is complete"):
        check_empty(sink)
    check_output(sink, "-", resume=False, overwrite=True)
    journal_path(sink).write_text("")
    with pytest.raises(ConfigError, match=r"belongs to a stopped job"):
        check_output(sink, "-", resume=False, overwrite=False)
    with pytest.raises(ConfigError, match=r"give one of them"):
        check_output(sink, "-", resume=True, overwrite=True)


def test_a_stream_cannot_be_resumed():
    with pytest.raises(ConfigError, match=r"cannot be resumed: write to a file with -o"):
        check_output(sink_for("-"), "-", resume=True, overwrite=False)
