"""Token stores: what they keep survives, and shows to nobody."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys

import pytest

from asyncapi import AuthError, ConfigError, Env
from asyncapi.stores import FileStore, KeyringStore, MemoryStore

CANARY = "canary" + "bird"


@pytest.fixture
def file_store(tmp_path):
    pytest.importorskip("cryptography")
    return FileStore(tmp_path / "folder" / "tokens")


@pytest.fixture
def keyring(monkeypatch):
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")

    class Memory(backend.KeyringBackend):
        priority = 1

        def __init__(self):
            self.kept = {}

        def get_password(self, service, username):
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

        def delete_password(self, service, username):
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    yield keyring
    keyring.set_keyring(before)


@pytest.mark.parametrize("kind", ["memory", "file", "keyring"])
async def test_what_is_saved_is_loaded_until_it_is_deleted(kind, request):
    if kind == "keyring":
        request.getfixturevalue("keyring")
    store = {
        "memory": MemoryStore,
        "keyring": lambda: KeyringStore("tool"),
        "file": lambda: request.getfixturevalue("file_store"),
    }[kind]()
    assert await store.load("a") is None
    await store.save("a", "1")
    await store.save("b", "2")
    await store.save("a", "3")
    assert (await store.load("a"), await store.load("b")) == ("3", "2")
    await store.delete("a")
    await store.delete("a")
    assert (await store.load("a"), await store.load("b")) == (None, "2")
    async with store.lock():
        assert await store.load("b") == "2"


async def test_a_file_is_encrypted_and_its_owners_alone(file_store, tmp_path):
    await file_store.save("a", CANARY)
    folder = tmp_path / "folder"
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert CANARY.encode() not in path.read_bytes()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert await FileStore(folder / "tokens").load("a") == CANARY
    assert sorted(path.name for path in folder.iterdir()) == ["tokens", "tokens.key"]


async def test_a_key_may_be_given(tmp_path, monkeypatch):
    pytest.importorskip("cryptography")
    key = FileStore.new_key()
    monkeypatch.setenv("THE_KEY", key)
    await FileStore(tmp_path / "t", key=key).save("a", "1")
    assert await FileStore(tmp_path / "t", key=Env("THE_KEY")).load("a") == "1"
    assert not (tmp_path / "t.key").exists()
    with pytest.raises(AuthError, match="written with another key"):
        await FileStore(tmp_path / "t", key=FileStore.new_key()).load("a")
    with pytest.raises(ConfigError, match="is not a Fernet key"):
        FileStore(tmp_path / "t", key="short")


async def test_a_damaged_file_is_an_auth_error(file_store, tmp_path):
    await file_store.save("a", "1")
    (tmp_path / "folder" / "tokens").write_bytes(b"half of it")
    with pytest.raises(AuthError, match="or is damaged"):
        await file_store.load("a")


async def test_a_place_that_can_not_be_written_is_an_auth_error(tmp_path):
    pytest.importorskip("cryptography")
    (tmp_path / "file").write_text("")
    store = FileStore(tmp_path / "file" / "tokens", key=FileStore.new_key())
    with pytest.raises(AuthError, match=r"can't be (read|written): Not a directory"):
        await store.save("a", "1")


async def test_two_who_renew_wait_for_each_other(file_store, tmp_path):
    other = FileStore(tmp_path / "folder" / "tokens")
    held = []

    async def hold(store, name):
        async with store.lock():
            held.append(name)
            await asyncio.sleep(0.1)
            held.append(name)

    await asyncio.gather(hold(file_store, "a"), hold(other, "b"))
    assert held in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


async def test_a_lock_ends_with_its_process(file_store, tmp_path):
    """SIGKILL of a process that holds it leaves nobody locked out."""
    await file_store.save("a", "1")
    code = (
        "import asyncio, os, signal\nfrom asyncapi.stores import FileStore\n"
        f"async def main():\n    async with FileStore({str(tmp_path / 'folder' / 'tokens')!r}).lock():\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\nasyncio.run(main())"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == -9
    async with asyncio.timeout(20), file_store.lock():
        assert await file_store.load("a") == "1"


async def test_a_full_write_replaces_the_file_or_nothing(file_store, tmp_path, monkeypatch):
    await file_store.save("a", "1")

    def no_space(handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(AuthError, match="No space left"):
        await file_store.save("a", "2")
    monkeypatch.undo()
    assert await file_store.load("a") == "1"
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["tokens", "tokens.key"]


async def test_a_keyring_that_is_not_there_is_an_auth_error(keyring, monkeypatch):
    from keyring.backends.fail import Keyring

    keyring.set_keyring(Keyring())
    with pytest.raises(AuthError, match="the system's keyring can't be read: NoKeyringError"):
        await KeyringStore("tool").load("a")


@pytest.mark.parametrize(
    ("module", "make"), [("keyring", lambda: KeyringStore("x")), ("cryptography.fernet", lambda: FileStore("x"))]
)
def test_without_its_package_a_store_says_what_to_install(module, make, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match="pip install"):
        make()


def test_reprs_name_the_place():
    assert [repr(MemoryStore())] == ["MemoryStore()"]
