"""The cassette of a pytest test: where its file is, and which settings it has."""

from __future__ import annotations

import re
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.testing.cassettes.cassette import Cassette

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 150  # characters of a file's name
_UNSAFE = re.compile(r"[^\w.\-\[\]]+")


def cassette_of(item: Any, config: Mapping[str, Any]) -> Cassette:
    """Make the cassette of a test.

    The command line's mode goes before the mark's settings, and these before those of `cassette_config`; of several
    marks, the nearest to the test decides.

    Args:
        item: The test.
        config: What the fixture `cassette_config` returns.

    Raises:
        ConfigError: The mark or the configuration has a setting that there is none of, or a wrong one.
    """
    settings = dict(config)
    path: Path | None = None
    for mark in reversed(list(item.iter_markers("cassette"))):
        settings |= mark.kwargs
        if mark.args:
            path = Path(item.path).parent / str(mark.args[0])
        if len(mark.args) > 1:
            raise ConfigError(f"@pytest.mark.cassette{mark.args}: give one path, relative to the folder of the test")
    if "path" in settings:
        path = Path(item.path).parent / str(settings.pop("path"))
    unknown = set(settings) - set(signature(Cassette).parameters)
    if unknown:
        known = ", ".join(each for each in signature(Cassette).parameters if each != "path")
        raise ConfigError(
            f"a cassette has no setting {', '.join(sorted(map(repr, unknown)))}: the settings are {known}"
        )
    mode = item.config.getoption("--cassette-mode", None)
    if mode is not None:
        settings["mode"] = mode
    return Cassette(path or _path(item), **settings)


def _path(item: Any) -> Path:
    """Return the default: `cassettes/MODULE/TEST.yaml` beside the test's file."""
    owner = getattr(item, "cls", None)
    name = f"{owner.__name__}.{item.name}" if owner is not None else str(item.name)
    safe = _UNSAFE.sub("-", name)
    if safe != name or len(safe) > _LONGEST:  # two names must not become one
        safe = f"{safe[:_LONGEST]}-{sha256(name.encode()).hexdigest()[:8]}"
    file = Path(item.path)
    return file.parent / "cassettes" / file.stem / f"{safe}.yaml"
