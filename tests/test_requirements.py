"""The lists of packages that development and continuous integration install keep up with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LISTS = {
    name: (ROOT / "requirements" / name).read_text(encoding="utf-8")
    for name in ("codegen.lock", "dev.lock", "docs.lock", "floors.lock")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEFT_OUT = {"ray"}  # 70 MB that a few tests need: they are skipped without it
# A tool of its own, which needs a newer typing-extensions than the package does: the package's floor would not be tested.
ABOVE_THE_FLOORS = {"generate"}


def of_extras(left_out):
    extras = [extra for name, extra in EXTRAS.items() if name not in {"dev", *left_out}]
    return [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]


RUN = of_extras(LEFT_OUT)
DEVELOPED = [line for line in EXTRAS["dev"] if not line.startswith("asyncapi-sdk")]


def pinned(text):
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    versions: dict[str, set[Version]] = {}
    for name, version in found:
        versions.setdefault(canonicalize_name(name), set()).add(Version(version))
    return versions


@pytest.mark.parametrize(
    ("name", "needed"),
    [("dev.lock", [*RUN, *DEVELOPED]), ("floors.lock", of_extras(LEFT_OUT | ABOVE_THE_FLOORS))],
    ids=["dev.lock", "floors.lock"],
)
def test_a_list_has_what_the_project_asks_for(name, needed):
    versions = pinned(LISTS[name])
    for line in needed:
        one = Requirement(line)
        known = versions.get(canonicalize_name(one.name), set())
        assert known, f"{name} lacks {line}: make lock"
        assert all(version in one.specifier for version in known), f"{name} has {known} for {line}: make lock"


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_every_package_of_a_list_has_hashes_and_none_an_index(text):
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[A-Za-z0-9._-]+==\S+( ; [^\n]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", entry), entry
    assert "://" not in text


def test_the_manual_is_built_with_the_versions_that_the_tests_have():
    """`make docs` installs into the same environment: it must not change what is there."""
    developed, documented = pinned(LISTS["dev.lock"]), pinned(LISTS["docs.lock"])
    assert all(documented[name] <= developed[name] for name in documented.keys() & developed.keys())


def test_the_floors_are_tested_as_they_are_declared():
    versions = pinned(LISTS["floors.lock"])
    for line in PROJECT["dependencies"]:
        one = Requirement(line)
        (least,) = [Version(part.version) for part in one.specifier if part.operator == ">="]
        assert versions[canonicalize_name(one.name)] == {least}, f"not the floor of {line}: make lock"
