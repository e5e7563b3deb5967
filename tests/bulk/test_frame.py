"""A data frame in, one of the same kind out: typed, in the input's order, with the index of pandas."""

import asyncio
import dataclasses
import json
import sys
import threading
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi.bulk import Job, JobStopped, blocking_frame, frame
from asyncapi.bulk.options import JobOptions
from asyncapi.errors import ConfigError

pytestmark = pytest.mark.lanes

MAKE = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}


@pytest.fixture
async def url():
    async def answer(request):
        number = request.path.rpartition("/")[2]
        if number == "404":
            raise web.HTTPNotFound
        if int(number) % 7 == 0:
            await asyncio.sleep(0.02)  # others overtake it
        body = await request.json() if request.can_read_body else None
        return web.json_response(
            {
                "name": f"n{number}",
                "n": int(number),
                "half": int(number) / 2,
                "even": int(number) % 2 == 0,
                "tags": [number],
                "body": body,
            }
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def columns(data):
    """Name to values, whatever the kind."""
    if isinstance(data, pd.DataFrame):
        return {name: [None if value is pd.NA else value for value in data[name].tolist()] for name in data.columns}
    return data.to_dict(as_series=False) if isinstance(data, pl.DataFrame) else data.to_pydict()


@pytest.mark.parametrize("kind", MAKE)
async def test_the_same_kind_comes_back_typed_and_in_order(kind, url, lane):
    numbers = [*range(30), 404]
    data = MAKE[kind]({"id": numbers, "note": [f"é{n}" for n in numbers], "flag": [n > 3 for n in numbers]})
    out = await frame(
        data, url=url + "/{id}", carry="all", select=("name", "n", "half", "even", "tags"), retry=1, transport=lane
    )
    assert type(out) is type(data)
    found = columns(out)
    assert list(found) == [
        "id",
        "url",
        "status",
        "ok",
        "name",
        "n",
        "half",
        "even",
        "tags",
        "error",
        "attempts",
        "elapsed_ms",
        "at",
        "note",
        "flag",
    ]
    assert found["id"] == numbers
    assert found["url"][3] == f"{url}/3"
    assert found["status"] == [200] * 30 + [404]
    assert found["ok"] == [True] * 30 + [False]
    assert found["name"][:30] == [f"n{n}" for n in range(30)]
    assert found["n"] == [*range(30), None]
    assert found["even"][:2] == [True, False]
    assert found["half"][1] == 0.5
    assert found["note"] == [f"é{n}" for n in numbers]
    assert found["error"][30].startswith("NotFound")
    assert abs(datetime.now(UTC) - found["at"][0]).total_seconds() < 600
    assert found["tags"][1] == (["1"] if kind == "pandas" else '["1"]')


async def test_pandas_keeps_its_index_and_the_types_of_carried_columns(url, lane):
    data = pd.DataFrame(
        {
            "k": pd.array([3, 1, 2], "Int32"), "cat": pd.Categorical(["a", "b", "a"]), "day": pd.to_datetime(["2024-01-01"] * 3),
            "f": pd.array([1.5, None, 2], "Float32"), "ok": ["x", "y", "z"],
        },
        index=pd.Index(["i", "j", "i"], name="key"),
    )  # fmt: skip
    out = await frame(data, url=url + "/{k}", carry="all", transport=lane)
    assert out.index.equals(data.index)
    assert out.index.name == "key"
    for name in ("k", "cat", "day", "f"):
        assert out[name].dtype == data[name].dtype
    assert out["input_ok"].tolist() == ["x", "y", "z"]
    assert out["id"].tolist() == [0, 1, 2]
    assert (str(out["status"].dtype), str(out["ok"].dtype), str(out["attempts"].dtype)) == ("int64", "bool", "int64")
    assert out["data"].tolist()[0]["name"] == "n3"


async def test_arrow_and_polars_keep_the_types_of_carried_columns(url, lane):
    table = pa.table({"id": pa.array([1, 2], pa.int16()), "d": pa.array([b"x", None]), "l": [[1], []]})
    out = await frame(table, url=url + "/{id}", carry=("l", "d"), transport=lane)
    assert [out.schema.field(name).type for name in ("id", "l", "d")] == [pa.int16(), pa.list_(pa.int64()), pa.binary()]
    assert json.loads(out["data"][0].as_py())["name"] == "n1"
    data = pl.DataFrame({"id": pl.Series([1, 2], dtype=pl.UInt8), "c": pl.Series(["a", "b"], dtype=pl.Categorical)})
    out = await frame(data, url=url + "/{id}", carry="all", transport=lane)
    assert (out["id"].dtype, out["c"].dtype, out["at"].dtype) == (pl.UInt8, pl.Categorical, pl.Datetime("ms", "UTC"))


@pytest.mark.parametrize("kind", MAKE)
async def test_bodies_are_filled_with_typed_values_and_models_have_columns(kind, url, lane):
    class Echo(BaseModel):
        n: int
        half: float
        body: dict[str, object]

    data = MAKE[kind]({"url": [f"{url}/1", f"{url}/2"], "x": [1.5, 2.5], "b": [True, False]})
    out = columns(await frame(data, json={"x": "{x}", "b": "{b}", "t": "{b}!"}, model=Echo, transport=lane))
    assert (out["n"], out["half"]) == ([1, 2], [0.5, 1.0])
    body = out["body"][0] if kind == "pandas" else json.loads(out["body"][0])
    assert body == {"x": 1.5, "b": True, "t": "true!"}


async def test_missing_values_of_pandas_are_null(url, lane):
    data = pd.DataFrame(
        {"url": [f"{url}/1"], "f": [float("nan")], "i": pd.array([None], "Int64"), "t": [pd.NaT], "s": [None]}
    )
    out = await frame(data, json=["{f}", "{i}", "{t}", "{s}"], transport=lane)
    assert out["data"][0]["body"] == [None, None, None, None]


@pytest.mark.parametrize("kind", MAKE)
async def test_an_empty_frame_gives_an_empty_one(kind, url, lane):
    out = await frame(MAKE[kind]({"id": [], "note": []}), url=url + "/{id}", carry="all", transport=lane)
    assert list(columns(out)) == ["id", "url", "status", "ok", "data", "error", "attempts", "elapsed_ms", "at", "note"]


@pytest.mark.parametrize("kind", MAKE)
async def test_a_limit_cuts_the_frame(kind, url, lane):
    out = columns(await frame(MAKE[kind]({"id": [5, 6, 7]}), url=url + "/{id}", limit=2, transport=lane))
    assert out["id"] == [5, 6]


async def test_a_job_that_stops_gives_what_it_has(url, lane):
    data = pd.DataFrame({"id": [1, 404, *range(100, 200)]}, index=range(50, 152))
    with pytest.raises(JobStopped, match="max_errors") as caught:
        await frame(data, url=url + "/{id}", max_errors=1, retry=1, concurrency=1, transport=lane)
    partial = caught.value.partial
    assert 2 <= len(partial) < 102
    assert partial["id"].tolist()[:2] == [1, 404]
    assert partial.index.tolist() == list(range(50, 50 + len(partial)))


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        ([1], {}, r"frame\(list\): give a DataFrame of pandas or polars, or a Table of pyarrow"),
        (pl.LazyFrame({"id": [1]}), {}, r"frame\(LazyFrame\).*collect\(\) it first"),
        (pd.DataFrame({"id": [1]}), {}, r"frame: no column 'url' \(the columns are: id\)"),
        (pd.DataFrame({"id": [1]}), {"url": "https://h/{idd}"}, r"frame:1: no column 'idd' .*did you mean 'id'"),
        (pd.DataFrame({"id": [1]}), {"url": "https://h/{id}", "carry": ("x",)}, r"frame: no column 'x'"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["id", "a", "a"]),
            {"url": "https://h/{id}", "carry": "all"},
            "frame: the column 'a' appears twice",
        ),
        (pd.DataFrame({"url": ["x"]}), {}, "frame:1: the URL 'x' has no scheme"),
        (pd.DataFrame({"url": ["https://h/"]}), {"resume": True}, "writes no output: leave resume= out"),
        (pd.DataFrame({"url": ["https://h/"]}), {"concurrency": 0}, "concurrency=0"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(data, options, says):
    with pytest.raises(ConfigError, match=says):
        await frame(data, **options)


async def test_progress_may_be_followed(url, lane):
    states = []
    await frame(pd.DataFrame({"id": [1, 2]}), url=url + "/{id}", progress=states.append, transport=lane)
    assert (states[-1].done, states[-1].total) == (2, 2)


async def test_the_blocking_form_works_in_scripts(url, lane):
    out = await asyncio.to_thread(blocking_frame, pd.DataFrame({"id": [1, 2]}), url=url + "/{id}", transport=lane)
    assert out["ok"].tolist() == [True, True]
    assert not [thread for thread in threading.enumerate() if thread.name == "asyncapi-blocking"]


async def test_the_blocking_form_is_refused_inside_a_loop_but_for_a_notebooks(url, lane, monkeypatch):
    data = pd.DataFrame({"url": []})
    with pytest.raises(ConfigError, match="inside a running event loop"):
        blocking_frame(data)
    notebook = type("IPython", (), {"get_ipython": staticmethod(type("Shell", (), {"kernel": 1}))})
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    assert len(blocking_frame(data, transport=lane, progress=False)) == 0


def test_every_setting_of_a_job_is_an_option():
    names = {field.name for field in dataclasses.fields(Job)} - {"input", "output"}
    assert set(JobOptions.__annotations__) == names
