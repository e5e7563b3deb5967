"""A batch says where each of its rows will end."""

import pytest

from asyncapi.bulk.packed import Packed
from asyncapi.bulk.sinks import sink_for


@pytest.mark.parametrize(("name", "ends"), [("a.jsonl", [12, 13]), ("a.csv", [12, 13]), ("a.jsonl.gz", None)])
def test_rows_end_where_they_will_end(tmp_path, name, ends):
    packed = sink_for(tmp_path / name).pack([b"a\n", b"\n"], 10)
    assert isinstance(packed, Packed)
    if ends is not None:
        assert (list(packed.ends), packed.data, packed.whole) == (ends, b"a\n\n", False)
    else:
        assert set(packed.ends) == {10 + len(packed.data)}
        assert packed.whole
