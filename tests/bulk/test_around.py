"""A sink around another one is that other one, but for what it adds."""

import inspect

from asyncapi.bulk.around import Around
from asyncapi.bulk.columns import Column, Columns
from asyncapi.bulk.sinks import Sink, sink_for


def test_everything_is_handed_on(tmp_path):
    inner = sink_for(tmp_path / "out.csv")
    outer = Around(inner)
    outer.columns, outer.durable = Columns([Column("id", "id", "id"), Column("url", "text", "url")]), True
    assert (inner.columns.names, inner.durable) == (("id", "url"), True)
    assert not outer.exists()
    assert outer.size() == 0
    end = outer.open(0)
    packed = outer.pack([outer.encode({"id": 1, "url": "u", "ok": True})], end)
    outer.append(packed.data)
    assert outer.present()
    outer.finish()
    outer.close()
    assert (tmp_path / "out.csv").read_text() == "id,url\n1,u\n"
    assert outer.exists()
    assert not outer.torn(0, outer.size())
    with outer.written() as is_own:
        assert is_own(packed.ends[0], packed.sums[0])
    assert (outer.files, outer.name, outer.resumable) == (inner.files, inner.name, True)


def test_it_has_every_method_of_a_sink():
    methods = {name for name, _ in inspect.getmembers(Sink, inspect.isfunction) if not name.startswith("_")}
    assert methods <= set(dir(Around))
