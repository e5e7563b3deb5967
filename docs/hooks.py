"""What MkDocs does to the pages of this manual beside rendering them (`hooks:` in mkdocs.yml).

1. What stands behind the language of a fenced block says how the block is tested (tests/test_docs.py); a reader sees
   none of it but the name of a file, as the block's title.
2. CHANGELOG.md, CONTRIBUTING.md and SECURITY.md, which live at the top of the project, are pages too.
3. A link to any other file of the project becomes plain text: the manual has no such page.
"""  # noqa: INP001 - a script of MkDocs, in no package

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

# Rule 2: the file at the top of the project, and the page it becomes.
PROJECT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}

_FENCE = re.compile(r"^(?P<start> *```+)(?P<language>[\w.+-]+) +(?P<options>[^\n`]+)$", re.MULTILINE)
_OWN_OPTION = re.compile(r"no-run\b|run\b|(file|exits)=")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that live at the top of the project."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests of this file do without MkDocs

    root = Path(config.config_file_path).parent
    for name, page in PROJECT_PAGES.items():
        files.append(File.generated(config, page, content=(root / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page as its readers see it."""
    root = Path(config.config_file_path).parent
    return relinked(plain_fences(markdown), page.file.src_uri, root, files)


def plain_fences(markdown: str) -> str:
    """Rule 1."""
    return _FENCE.sub(_plain, markdown)


def _plain(fence: re.Match[str]) -> str:
    options = fence["options"]
    if not _OWN_OPTION.match(options):
        return fence[0]
    file = re.search(r"\bfile=(\S+)", options)
    return fence["start"] + fence["language"] + (f' title="{file[1]}"' if file else "")


def relinked(markdown: str, source: str, root: Path, files: Files) -> str:
    """Rules 2 and 3, for the page `source` of a project whose top is `root`."""
    folder = posixpath.dirname(source)
    here = "" if source in PROJECT_PAGES.values() else posixpath.join("docs", folder)

    def change(link: re.Match[str]) -> str:
        target, mark, anchor = link["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return link[0]
        path = posixpath.normpath(posixpath.join(here, target))
        uri = PROJECT_PAGES.get(path) or path.removeprefix("docs/")
        if files.get_file_from_path(uri):
            shown = posixpath.relpath(uri, folder or ".")
            return f"{link['image']}[{link['text']}]({shown}{mark}{anchor})"
        outside = (root / path).exists() and not path.startswith("docs/")
        return link["text"] if outside else link[0]

    return _LINK.sub(change, markdown)
