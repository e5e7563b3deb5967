"""The SQLite file of a store: ours, or left alone."""

from __future__ import annotations

import sqlite3

import pytest

from asyncapi.stores.sqlite_file import NotOurs, is_locked, open_file, reason


def test_a_new_file_is_ours_and_logs_ahead(tmp_path):
    for _ in range(2):
        base = open_file(tmp_path / "a" / "b", busy=0)
        assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert base.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert base.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        base.close()


def test_two_new_files_have_different_salts(tmp_path):
    salts = set()
    for name in "ab":
        base = open_file(tmp_path / name, busy=0)
        salts.add(base.execute("SELECT value FROM facts WHERE name = 'salt'").fetchone()[0])
        base.close()
    assert len(salts) == 2


def test_a_lock_is_told_from_other_errors(tmp_path):
    base = open_file(tmp_path / "a", busy=0)
    base.execute("BEGIN IMMEDIATE")
    other = open_file(tmp_path / "a", busy=0)
    with pytest.raises(sqlite3.OperationalError) as raised:
        other.execute("BEGIN IMMEDIATE")
    assert is_locked(raised.value)
    assert not is_locked(OSError())
    assert reason(OSError(2, "No such file")) == "No such file"
    other.close()
    base.close()


def test_text_is_no_database(tmp_path):
    (tmp_path / "a").write_text("hello " * 1000)
    with pytest.raises(NotOurs, match="no SQLite database"):
        open_file(tmp_path / "a", busy=0)
