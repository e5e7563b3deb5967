"""People bring the options of other tools along: each is told what to write here."""

import re

import pytest

from asyncapi.cli.fetch_options import TABLE
from asyncapi.cli.foreign import INSTEAD, instead_of

FLAGS = {flag for rows in TABLE.values() for row in rows for flag in row.flags.replace("/", " ").split()}


@pytest.mark.parametrize("flag", sorted(INSTEAD))
def test_a_hint_is_for_an_option_that_isnt_there_and_names_ones_that_are(flag):
    assert flag not in FLAGS
    assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", INSTEAD[flag])) <= FLAGS | {"-X"}


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ("--jobs", ": --concurrency N (-c N) sends so many requests at a time"),
        ("--ouput", ": did you mean --output?"),
        ("--xyzzy", ""),
    ],
)
def test_an_unknown_option_gets_what_to_write_instead(unknown, said):
    assert instead_of(unknown, FLAGS) == said


@pytest.mark.parametrize("flag", ["--retries", "-j", "--parallel", "--max-retries", "--bearer", "--token", "-L", "-I"])
async def test_the_command_says_what_to_write_instead(asyncapi, flag):
    code, out, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", flag, "5")
    assert (code, out) == (2, "")
    assert err == f"error: No such option {flag}: {INSTEAD[flag]}\n"
