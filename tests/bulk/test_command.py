"""The command line and the settings are shown without their secrets."""

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.command import command_text, shown_settings


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["fetch", "in.txt", "-o", "out.jsonl"], "asyncapi fetch in.txt \\\n    -o out.jsonl"),
        (["fetch", "-", "-o", "-"], "asyncapi fetch - \\\n    -o -"),
        (["-H", "Authorization: Bearer s3cret"], "-H 'Authorization: ***'"),
        (["-HX-Api-Key: s3cret"], "'-HX-Api-Key: ***'"),
        (["--header=Cookie: s3cret"], "'--header=Cookie: ***'"),
        (["-H", "Accept: a/b"], "-H 'Accept: a/b'"),
        (["--user", "me:s3cret"], "--user 'me:***'"),
        (["-u", "me:s3cret"], "-u 'me:***'"),
        (["--proxy", "http://me:s3cret@proxy:3128"], "--proxy 'http://***@proxy:3128'"),
        (["--shared=redis://:s3cret@host/0"], "'--shared=redis://***@host/0'"),
        (["https://h/?token=s3cret&a=1"], "'https://h/?token=***&a=1'"),
        (["--url", "https://h/{id}?api_key=s3cret"], "--url 'https://h/{id}?api_key=***'"),
        (["--data", "password=s3cret&a=1"], "--data 'password=***&a=1'"),
        (["--json", '{"password": "s3cret", "x": [{"token": "s3cret"}], "text": "{text}"}'],
         """--json '{"password": "***", "x": [{"token": "***"}], "text": "{text}"}'"""),
        (["--auth-env", "API_TOKEN"], "--auth-env API_TOKEN"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("program", ["/usr/bin/asyncapi", "/x/asyncapi/__main__.py"])
def test_the_command_line_is_shown_without_secrets(program, arguments, shown):
    text = command_text([program, *arguments])
    assert shown in text
    assert "s3cret" not in text


def test_a_program_of_the_users_has_no_command_line_to_show():
    assert command_text(["/home/me/job.py", "--password", "s3cret"]) == ""
    assert command_text([]) == ""


def test_settings_that_are_not_the_default_are_shown_without_secrets():
    job = Job(
        "in.txt", "out.jsonl", url="https://h/{id}?token=s3cret", rate="50", headers={"X-Api-Key": "s3cret"},
        proxy="http://me:s3cret@p:1", resume=True,
    )  # fmt: skip
    shown = dict(shown_settings(job))
    assert shown == {
        "url": "https://h/{id}?token=***", "rate": "50", "resume": "True", "proxy": "http://***@p:1",
        "headers": "X-Api-Key (their values are not shown)",
    }  # fmt: skip
