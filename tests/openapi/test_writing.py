"""Files take their places whole, or not at all."""

from __future__ import annotations

import os

import pytest

from asyncapi import ConfigError
from asyncapi.openapi.generating import drafted
from asyncapi.openapi.writing import is_package, known_class, planned, write
from written_clients import document, one


@pytest.mark.parametrize(("out", "package"), [("client.py", False), ("client/", True), ("client", True)])
def test_a_name_says_whether_it_is_a_package(out, package):
    assert is_package(out) is package


def test_nothing_is_written_where_one_file_cannot_be(tmp_path):
    files = planned(drafted(one()), f"{tmp_path}/shop/")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "client.py").mkdir()
    with pytest.raises(ConfigError, match="can't write"):
        write(files)
    assert [each.name for each in (tmp_path / "shop").iterdir() if each.is_file() and each.name.startswith(".")] == []


def test_a_link_stays_one_and_rights_stay(tmp_path):
    (tmp_path / "real.py").write_text("")
    (tmp_path / "real.py").chmod(0o600)
    (tmp_path / "client.py").symlink_to(tmp_path / "real.py")
    write(planned(drafted(one()), f"{tmp_path}/client.py"))
    assert (tmp_path / "client.py").is_symlink()
    assert os.stat(tmp_path / "real.py").st_mode & 0o777 == 0o600
    assert known_class(f"{tmp_path}/client.py") == "Shop"


def test_windows_line_ends_stay(tmp_path):
    path = tmp_path / "client.py"
    write(planned(drafted(one()), str(path)))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    [file] = planned(drafted(one()), str(path))
    assert not file.is_changed
    assert path.read_bytes() == before


def test_a_model_that_the_client_keeps_using_stays_in_a_package(tmp_path):
    schemas = {"Pet": {"type": "object", "properties": {"a": {"type": "string"}}}}
    out = f"{tmp_path}/shop/"
    write(planned(drafted(document(None, schemas)), out))
    path = tmp_path / "shop" / "client.py"
    path.write_text(
        path.read_text()
        .replace("from asyncapi import", "from .models import Pet\nfrom asyncapi import")
        .replace("class Shop(API):", "MINE: type[Pet] = Pet\n\n\nclass Shop(API):")
    )
    write(planned(drafted(document()), out))
    assert "class Pet(Model)" in (tmp_path / "shop" / "models.py").read_text()
