"""`asyncapi generate` writes, renews, checks and compares: by the command itself."""

from __future__ import annotations

import json

import pytest

from asyncapi.cli import app
from asyncapi.cli.commands import run
from written_clients import OK, plain

DOCUMENT = plain(
    {
        "/pets": {"get": {"operationId": "pets", "tags": ["pets"], "responses": OK}},
        "/b": {"get": {"operationId": "second", "responses": OK}},
    }
)


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Run the command in a folder that has a document, and return its code and what it has printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))

    def asked(*words):
        monkeypatch.setattr("sys.argv", ["asyncapi", *words])
        code = run(app, "asyncapi")
        return code, *capsys.readouterr()

    return asked


def test_a_client_is_written_and_written_again(ask, tmp_path):
    code, out, said = ask("generate", "openapi.json", "-o", "client.py")
    assert (code, out) == (0, "")
    assert "wrote client.py" in said
    before = (tmp_path / "client.py").read_bytes()
    assert "unchanged: client.py" in ask("generate", "openapi.json", "-o", "client.py")[2]
    assert (tmp_path / "client.py").read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["client.py", "openapi.json"]


def test_what_a_person_adds_stays_and_what_was_changed_is_named(ask, tmp_path):
    ask("generate", "openapi.json", "-o", "client.py")
    path = tmp_path / "client.py"
    path.write_text(
        path.read_text()
        .replace("async def pets(self)", "async def pets(self, mine: int = 1)")
        .replace("class Shop(API):", "X = 1\n\n\nclass Shop(API):")
    )
    code, _, said = ask("generate", "openapi.json", "-o", "client.py", "-q")
    assert (code, said) == (0, "kept: Shop.pets: you have changed it\n")
    assert "X = 1" in path.read_text()


def test_a_preview_writes_nothing(ask, tmp_path):
    code, out, _ = ask("generate", "openapi.json", "-o", "client.py", "--diff")
    assert code == 0
    assert "+class Shop(API):" in out
    assert "would write client.py" in ask("generate", "openapi.json", "-o", "client.py", "--dry-run")[2]
    assert not (tmp_path / "client.py").exists()


def test_stdout_is_the_client_alone(ask):
    code, out, _ = ask("generate", "openapi.json")
    assert code == 0
    compile(out, "client.py", "exec")


def test_a_folder_is_a_package(ask, tmp_path):
    assert ask("generate", "openapi.json", "-o", "shop/")[0] == 0
    assert "class Shop(API)" in (tmp_path / "shop" / "client.py").read_text()
    assert "unchanged: shop/client.py" in ask("generate", "openapi.json", "-o", "shop/")[2]


def test_the_class_keeps_the_name_that_it_was_given(ask, tmp_path):
    ask("generate", "openapi.json", "-o", "client.py", "--class-name", "Store")
    ask("generate", "openapi.json", "-o", "client.py")
    assert "class Store(API)" in (tmp_path / "client.py").read_text()


def test_only_some_operations(ask):
    out = ask("generate", "openapi.json", "--only", "pets")[1]
    assert "def pets" in out
    assert "def second" not in out


def test_a_check_finds_nothing_in_a_good_document(ask):
    assert ask("generate", "openapi.json", "--check")[0] == 0


def test_somebody_elses_file_is_refused(ask, tmp_path):
    (tmp_path / "client.py").write_text("x = 1\n")
    code, _, said = ask("generate", "openapi.json", "-o", "client.py")
    assert code == 2
    assert "has not written it" in said
    assert (tmp_path / "client.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "no.json"], "no.json"), (["generate", "openapi.json", "--only", "pet"], "did you mean 'pets'?"),
        (["generate", "openapi.json", "--class-name", "a b"], "can't be the name of a class"),
        (["generate", "openapi.json", "-o", "openapi.json/x.py"], "openapi.json"), (["generate"], "DOCUMENT"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line(ask, words, said):
    code, _, error = ask(*words)
    assert code == 2
    assert error.splitlines()[-1].lower().startswith("error: ")
    assert said in error
    assert "Traceback" not in error


def test_help_teaches(ask):
    code, out, _ = ask("generate", "--help")
    assert code == 0
    assert "asyncapi generate openapi.json -o client.py" in out


def test_what_is_left_out_is_said_with_a_count_and_not_when_quiet(ask, tmp_path):
    hooked = {**DOCUMENT, "webhooks": {"new": {"post": {"responses": OK}}}}
    (tmp_path / "hooks.json").write_text(json.dumps(hooked))
    code, _, said = ask("generate", "hooks.json", "-o", "client.py")
    assert code == 0
    assert "note: webhooks are calls that the server makes: the client leaves them out" in said.splitlines()
    assert any(line.startswith("1 note about what is left out") for line in said.splitlines())
    assert "note" not in ask("generate", "hooks.json", "-o", "client.py", "--quiet")[2]


def test_a_large_file_is_told_of_packages(ask, monkeypatch):
    monkeypatch.setattr("asyncapi.cli.generate._LARGE", 10)
    assert "for a file of this size -o client/ is better" in ask("generate", "openapi.json", "-o", "client.py")[2]
    assert "is better" not in ask("generate", "openapi.json", "-o", "client/")[2]


def test_examples_that_do_not_fit_are_left_to_check(ask, tmp_path):
    wrong = {"name": "n", "in": "query", "schema": {"type": "integer", "default": "x"}}
    paths = {"/x": {"get": {"operationId": "x", "parameters": [wrong], "responses": OK}}}
    (tmp_path / "wrong.json").write_text(json.dumps(plain(paths)))
    assert "error" not in ask("generate", "wrong.json", "-o", "client.py")[2]
    assert ask("generate", "wrong.json", "--check")[0] == 1
