"""Let a package hand on names whose modules are imported when a name is first asked for.

A package that hands on many names would otherwise make everybody import what only some need.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_face(
    package: str, homes: Mapping[str, str], *, rooms: tuple[str, ...] = (), below: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package (PEP 562).

    Args:
        package: Its name.
        homes: Module, below the package (or `below`), -> the names that come from there, parted by blanks.
        rooms: Modules of the package that are its attributes without having been imported.
        below: The package that the homes are below, where it is another.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    module, below = sys.modules[package], below or package

    def find(name: str) -> Any:
        if name in home_of:
            value = getattr(import_module(f"{below}.{home_of[name]}"), name)
        elif name in rooms:
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        setattr(module, name, value)  # the next one finds it at once
        return value

    def names() -> list[str]:
        return sorted({*vars(module), *home_of, *rooms})

    return find, names
