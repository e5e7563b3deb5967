"""Keep the names of credentials of 0.1 working for one minor release, with a DeprecationWarning that names the new one.

    0.1          now                  0.1       now
    ready        cached_signature     told      describe
    obtain       fetch_signature      whose     principal
    answered     on_response          by        source     (of a Signature)
    resends      max_resends          of_many   pooled     (of a Signature)

Old names elsewhere: `asyncapi/config.py`, `asyncapi/trace/__init__.py`, and `Means` in `credentials/__init__.py`.

1. A credential of the user's own that has old names is wrapped in an adapter that has the new ones.
2. Whoever calls a credential of ours by an old name, as a credential that wraps another does, reaches the new one.
3. Where a credential has both, the name that its most derived class defines counts.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any, TypeVar

OLD_NAMES = {
    "cached_signature": "ready",
    "fetch_signature": "obtain",
    "on_response": "answered",
    "max_resends": "resends",
    "describe": "told",
    "principal": "whose",
}

T = TypeVar("T")


def warn(message: str) -> None:
    """Warn of a deprecated name, at the line of the user's that led here: Python hides such warnings of libraries."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "asyncapi":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def alias(old: str, new: str) -> property:
    """Make the old name of an attribute or method."""

    def read(self: Any) -> Any:
        warn(f"{type(self).__name__}.{old} is now {new}")
        return getattr(self, new)

    read.__doc__ = f"Deprecated: renamed to `{new}`."
    return property(read)


def with_old_names(credential: type[T]) -> type[T]:
    """Give a credential class of ours the old method names as well (rule 2)."""
    for new, old in OLD_NAMES.items():
        setattr(credential, old, alias(old, new))
    return credential


class RenamedCredential:
    """A credential with old names, under the new ones."""

    __slots__ = ("_names", "_old")

    def __init__(self, old: object, names: dict[str, str]) -> None:
        self._old = old
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name in RenamedCredential.__slots__:  # a copy that is being made has neither yet
            raise AttributeError(name)
        return getattr(self._old, self._names.get(name, name))

    def __repr__(self) -> str:
        return repr(self._old)


def with_new_names(credential: Any) -> Any:
    """Return the credential itself; or, if it has old names, an adapter, after a DeprecationWarning (rule 1)."""
    if isinstance(credential, type):
        return credential
    names = {new: old for new, old in OLD_NAMES.items() if _is_old(credential, new, old)}
    if not names:
        return credential
    renamed = ", ".join(f"{old} is now {new}" for new, old in names.items())
    warn(f"{type(credential).__name__}: {renamed}")
    return RenamedCredential(credential, names)


def _is_old(credential: object, new: str, old: str) -> bool:
    for names in (getattr(credential, "__dict__", {}), *(vars(each) for each in type(credential).__mro__)):
        if new in names:
            return False  # rule 3
        if old in names:
            return True
    return not hasattr(credential, new) and hasattr(credential, old)  # one that hands every name on to another
