"""Another run keeps what people add and change, and renews the rest."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from asyncapi import ConfigError
from asyncapi.openapi.digests import FIRST_LINE
from asyncapi.openapi.generating import generate
from asyncapi.openapi.merging import marked, renamed, renewed
from written_clients import OK, body, document, imported, ref, returns

TEXT = {"type": "string"}


def pet(**more):
    return {"type": "object", "properties": {"name": TEXT, **more}}


def operation(name, **more):
    return {"operationId": name, "responses": OK, "tags": ["pets"], **more}


def source(paths=None, schemas=None):
    paths = paths if paths is not None else {"/a": {"get": operation("first")}, "/b": {"get": operation("second")}}
    return generate(document(paths, {"Pet": pet()} if schemas is None else schemas))


def again(current, new):
    made, report = renewed(current, new, "Shop", where="client.py")
    imported(made)
    return made, report


FIRST = marked(source(), "Shop")


def test_the_same_document_changes_nothing():
    made, report = again(FIRST, source())
    assert made == FIRST
    assert report.lines() == []


@pytest.mark.parametrize(
    "tool",
    [["ruff", "format", "--isolated", "--line-length", "50", "-"], ["black", "-q", "-l", "140", "-"], ["ruff", "check", "--isolated", "--fix", "--select", "I,PIE,UP,D,Q", "--exit-zero", "-q", "-"]],
)  # fmt: skip
def test_a_formatter_is_no_editor(tool):
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not here")
    formatted = subprocess.run(tool, input=FIRST, capture_output=True, text=True, check=True).stdout
    made, report = again(formatted, source())
    assert (made, report.lines()) == (formatted, [])


def test_additions_stay_everywhere():
    current = FIRST.replace("from enum import", "from enum import")
    current = current.replace(
        "from asyncapi import API", "import os  # mine\nfrom collections import OrderedDict\n\nfrom asyncapi import API"
    )
    current = current.replace(
        "class Shop(API):", "TIMEOUT = 3\n\n\nclass Mine(Pet):\n    extra: int = 1\n\n\nclass Shop(API):"
    )
    current = current.replace(
        "    name: str | None = None",
        '    name: str | None = None\n\n    def shout(self) -> str:\n        return (self.name or "").upper()',
    )
    current = current.replace(
        '    @get("/b")',
        '    # my own\n    async def both(self) -> None:\n        """Mine."""\n        await self.first()\n\n    @get("/b")',
    )
    current = current.replace(FIRST_LINE, "def helper() -> int:\n    return 1\n\n\n# bye\n\n" + FIRST_LINE)
    new = source(
        {
            "/a": {"get": operation("first", summary="New words")},
            "/b": {"get": operation("second")},
            "/c": {"get": operation("third")},
        },
        {"Pet": pet(age={"type": "integer"}), "Tag": pet()},
    )
    made, report = again(current, new)
    for words in (
        "import os  # mine",
        "from collections import OrderedDict",
        "TIMEOUT = 3",
        "class Mine(Pet)",
        "def shout",
        "# my own\n",
        "async def both",
        "def helper",
        "# bye",
    ):
        assert words in made, words
    assert "New words" in made
    assert report.kept == {}
    module = imported(made)
    assert set(module.Pet.model_fields) == {"name", "age"}
    assert module.Pet(name="x").shout() == "X"
    assert {"first", "second", "third", "both"} <= set(vars(module.Shop))
    assert made.index("def first") < made.index("def both") < made.index("def second") < made.index("def third")
    assert again(made, new) == (made, report.__class__())


def test_what_was_changed_is_kept_and_named():
    current = FIRST.replace("async def first(self) -> Any:", "async def first(self, mine: int = 1) -> Any:")
    made, report = again(current, source())
    assert made == current
    assert report.kept == {"Shop.first": "you have changed it"}
    made, report = again(current, source({"/a2": {"get": operation("first")}, "/b": {"get": operation("second")}}))
    assert "mine: int = 1" in made
    assert report.kept == {"Shop.first": "you have changed it, and so has the document: compare them"}
    assert again(made, source({"/a2": {"get": operation("first")}, "/b": {"get": operation("second")}}))[1].kept


def test_a_changed_operation_that_is_gone_stays_and_an_untouched_one_goes():
    current = FIRST.replace("async def first(self)", "async def first(self, mine: int = 1)")
    made, report = again(current, source({}))
    assert "def first" in made
    assert "def second" not in made
    assert report.kept == {"Shop.first": "you have changed it; the document no longer has it"}
    assert report.removed == ["Shop.second"]


def test_what_a_person_has_removed_stays_away():
    start = FIRST.index('    @get("/b")')
    end = FIRST.index(FIRST_LINE)
    made, report = again(FIRST[:start] + "\n\n" + FIRST[end:], source())
    assert "def second" not in made
    assert report.kept == {"Shop.second": "you have removed it, and it stays away"}
    assert "def second" not in again(made, source())[0]


def test_a_removed_model_that_is_needed_comes_back():
    paths = {"/a": {"get": operation("first", responses=returns(ref("Pet")))}}
    current = marked(source(paths), "Shop")
    start = current.index("class Pet(Model)")
    current = current[:start] + current[current.index("class Shop(API)") :]
    assert "class Pet(Model)" in again(current, source(paths))[0]


def test_a_model_that_ones_own_code_uses_stays():
    current = FIRST.replace("class Shop(API):", "class Mine(Pet):\n    pass\n\n\nclass Shop(API):")
    made, report = again(current, source(None, {}))
    assert "class Pet(Model)" in made
    assert "what you have written uses it" in report.kept["Pet"]


def test_a_name_of_ones_own_that_the_document_now_has_is_kept():
    current = FIRST.replace("class Shop(API):", "class Tag:\n    mine = 1\n\n\nclass Shop(API):")
    made, report = again(current, source(None, {"Pet": pet(), "Tag": pet()}))
    assert "mine = 1" in made
    assert "it is yours" in report.kept["Tag"]


def test_a_changed_field_is_kept_and_its_neighbours_are_renewed():
    current = FIRST.replace("name: str | None = None", 'name: str = "Rex"')
    made, report = again(current, source(None, {"Pet": pet(age={"type": "integer"})}))
    assert 'name: str = "Rex"' in made
    assert "age: int | None = None" in made
    assert list(report.kept) == ["Pet.name"]


def test_bases_that_a_person_has_added_are_kept():
    current = FIRST.replace("class Shop(API):", "class Mixin:\n    pass\n\n\nclass Shop(Mixin, API):")
    assert "class Shop(Mixin, API):" in again(current, source())[0]


def test_imports_come_and_go_with_what_needs_them():
    new = source({"/a": {"post": operation("first", requestBody=body({"type": "string", "format": "uuid"}))}})
    made, _ = again(FIRST, new)
    assert "from uuid import UUID" in made
    assert "import UUID" not in again(made, source())[0]


def test_a_renamed_client_is_known_by_its_methods():
    current = FIRST.replace("class Shop(API)", "class Store(API)")
    assert (renamed(FIRST, "x"), renamed(current, "x"), renamed("x = 1\n", "x")) == ("Shop", "Store", "")


def test_a_file_with_conflicts_is_refused():
    with pytest.raises(ConfigError, match=r"client.py, line .*isn't valid Python"):
        renewed(FIRST.replace("class Shop", "<<<<<<< ours\nclass Shop"), source(), "Shop", where="client.py")
