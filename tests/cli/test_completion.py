"""Shells complete commands, options, words and files."""

import asyncio
import os
import shutil
import sys

import click
import pytest

from asyncapi.cli import app
from asyncapi.cli.completion import install, script


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.fixture
def completed(tmp_path, asyncapi):
    """What bash would offer for a command line, by a bash that has read the script."""

    async def complete(*words):
        command = tmp_path / "bin" / "asyncapi"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!{sys.executable}\nfrom asyncapi.cli import main\nmain()\n")
        command.chmod(0o755)
        _, source, _ = await asyncapi("--show-completion", "bash")
        (tmp_path / "completion.bash").write_text(source)
        array = " ".join(f"'{word}'" for word in words)
        program = (
            f'compopt() {{ echo "<$2>"; }}; . ./completion.bash; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; '
            f"_asyncapi_completion asyncapi '{words[-1]}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        process = await asyncio.create_subprocess_exec(
            "bash", "--norc", "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "MY_TOKEN": "x"},
        )  # fmt: skip
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        return out.decode().split()

    return complete


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("asyncapi", "fe"), {"fetch"}),
        (("asyncapi", "fetch", "--max"), {"--max-wait", "--max-outage", "--max-errors"}),
        (("asyncapi", "fetch", "in.txt", "--format", "t"), {"text", "tsv"}),
        (("asyncapi", "fetch", "--transport", ""), {"native", "aiohttp"}),
        (("asyncapi", "fetch", "--auth-env", "MY_T"), {"MY_TOKEN"}),
        (("asyncapi", "fetch", "in"), {"<default>"}),
        (("asyncapi", "fetch", "in.txt", "-o", "out"), {"<default>"}),
        (("asyncapi", "serve", "--rate"), {"--rate-limit"}),
    ],
)
async def test_bash_completes_a_command_line(completed, words, offered):
    """`<default>` is what makes bash complete names of files."""
    assert set(await completed(*words)) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_script_of_each_shell_asks_the_command(asyncapi, shell):
    code, out, err = await asyncapi("--show-completion", shell)
    assert (code, err) == (0, "")
    assert f"_ASYNCAPI_COMPLETE={shell}_complete" in out


async def test_the_users_own_shell_is_the_default(asyncapi):
    _, out, _ = await asyncapi("--show-completion", env={**os.environ, "SHELL": "/usr/bin/fish"})
    assert "fish_complete" in out
    code, _, err = await asyncapi("--show-completion", env={**os.environ, "SHELL": "/bin/tcsh"})
    assert (code, err) == (2, "error: the shell 'tcsh' has no completion here: name bash, zsh or fish\n")


@pytest.mark.parametrize(("shell", "start"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_installing_twice_adds_one_line_to_what_the_shell_reads(home, shell, start):
    (home / start).write_text("alias ll='ls -l'")
    said = install(shell, app)
    install(shell, app)
    first, line = (home / start).read_text().splitlines()
    assert first == "alias ll='ls -l'"
    assert line == f". '{home}/.config/asyncapi/completion.{shell}'  # completion of asyncapi"
    assert (home / f".config/asyncapi/completion.{shell}").read_text() == script(shell, app)
    assert start in said


def test_fish_finds_its_file_by_itself(home):
    install("fish", app)
    assert (home / ".config/fish/completions/asyncapi.fish").read_text() == script("fish", app)


def test_a_home_that_cannot_be_written_is_one_clear_error(home):
    (home / ".config").write_text("a file")
    with pytest.raises(click.UsageError, match="cannot write"):
        install("bash", app)


async def test_completion_is_not_loaded_by_a_command_that_runs():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys, asyncapi.cli, asyncapi.cli.fetch; print('click.shell_completion' in sys.modules)",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert (await process.communicate())[0] == b"False\n"
