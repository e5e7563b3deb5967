"""`asyncapi report` makes the report of a job afterwards."""

import pytest

pytestmark = pytest.mark.lanes


async def test_an_output_has_a_report_beside_it(tmp_path, server, asyncapi, inputs):
    await asyncapi("fetch", inputs(20), "-o", "out.csv")
    code, out, err = await asyncapi("report", "out.csv")
    assert (code, out) == (0, "")
    assert err == "report     out.csv.html\n"
    assert "20" in (tmp_path / "out.csv.html").read_text()


async def test_the_report_of_a_run_shows_the_command_line(tmp_path, server, asyncapi, inputs):
    code, _, _ = await asyncapi(
        "fetch",
        inputs(20),
        "-o",
        "o.jsonl",
        "--report",
        "r.html",
        "-H",
        "Authorization: Bearer s3cret",
        "--rate",
        "500/s",
    )
    page = (tmp_path / "r.html").read_text()
    assert code == 0
    assert "<h2>Command line</h2><pre>asyncapi fetch " in page
    assert "--rate 500/s" in page
    assert "Authorization: ***" in page
    assert "s3cret" not in page


async def test_it_may_go_elsewhere_and_say_nothing(tmp_path, server, asyncapi, inputs):
    await asyncapi("fetch", inputs(5), "-o", "out.sqlite")
    assert await asyncapi("report", "out.sqlite", "-o", "r.html", "-q") == (0, "", "")
    assert (tmp_path / "r.html").exists()


@pytest.mark.parametrize("arguments", [[], ["nowhere.jsonl"], ["in.txt"], ["."]])
async def test_wrong_usage_is_one_line(tmp_path, server, asyncapi, inputs, arguments):
    inputs(3)
    code, out, err = await asyncapi("report", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
