"""The name of an engine, or an object of it, says where a job runs."""

import builtins

import pytest

from asyncapi.bulk import Job, run
from asyncapi.bulk.cluster import coordinator, fleet_of, run_on
from asyncapi.bulk.fleet.local import Local
from asyncapi.errors import ConfigError


def test_processes_are_named_by_their_number():
    assert isinstance(fleet_of("local:4"), Local)


@pytest.mark.parametrize("on", ["local", "local:", "local:x", "local:0", "local:-1", "local:9999"])
def test_a_number_of_processes_that_makes_no_sense_is_refused(on):
    with pytest.raises(ConfigError, match="is no number of processes: give local:4"):
        fleet_of(on)


@pytest.mark.parametrize("on", ["dask:", "dask://", "dask:h:8786", "spark://h", "4", "ray:"])
def test_an_unknown_engine_is_refused_with_those_there_are(on):
    with pytest.raises(ConfigError, match=r"there is no engine .*local:4, dask://host:8786 or ray://host:10001"):
        fleet_of(on)


def test_an_object_that_is_no_engine_is_refused():
    with pytest.raises(ConfigError, match="a job can't run on a list"):
        fleet_of([])


@pytest.mark.parametrize(("on", "package"), [("dask://h:8786", "distributed"), ("ray://h:10001", "ray")])
def test_an_engine_that_is_not_installed_names_its_extra(on, package, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    import sys

    module = f"asyncapi.bulk.fleet.{on.partition(':')[0]}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=f"pip install 'asyncapi-sdk\\[{on.partition(':')[0]}\\]'"):
        fleet_of(on)


def test_the_job_says_where_it_runs_unless_the_call_does(tmp_path):
    job = Job(tmp_path / "in.txt", tmp_path / "o.jsonl", on="local:3")
    assert coordinator(job)._on == "local:3"
    assert coordinator(job, "local:2")._on == "local:2"


async def test_a_job_runs_on_processes_from_python(tmp_path):
    (tmp_path / "in.txt").write_text("")
    assert (await run_on(Job(tmp_path / "in.txt", tmp_path / "a.jsonl"), "local:1")).total == 0
    assert (await run(Job(tmp_path / "in.txt", tmp_path / "b.jsonl", on="local:1"))).exit_code == 0
    assert (tmp_path / "b.jsonl").read_bytes() == b""
