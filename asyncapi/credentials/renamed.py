"""Credentials written for the method names of 0.1: they keep working for one minor release.

ready -> cached_signature    obtain -> fetch_signature    answered -> on_response
resends -> max_resends       told -> describe             whose -> principal
"""

from __future__ import annotations

import warnings
from typing import Any

_OLD_NAMES = {
    "cached_signature": "ready",
    "fetch_signature": "obtain",
    "on_response": "answered",
    "max_resends": "resends",
    "describe": "told",
    "principal": "whose",
}


class RenamedCredential:
    """A credential with the old method names, under the new ones."""

    __slots__ = ("_old",)

    def __init__(self, old: object) -> None:
        self._old = old

    def __getattr__(self, name: str) -> Any:
        return getattr(self._old, _OLD_NAMES.get(name, name))

    def __repr__(self) -> str:
        return repr(self._old)


def with_new_names(credential: Any) -> Any:
    """The credential itself; or, where it has the old method names, an adapter, after a DeprecationWarning."""
    if isinstance(credential, type) or hasattr(credential, "cached_signature") or not hasattr(credential, "ready"):
        return credential
    names = ", ".join(f"{old} is now {new}" for new, old in _OLD_NAMES.items() if hasattr(credential, old))
    warnings.warn(f"{type(credential).__name__}: {names}", DeprecationWarning, stacklevel=2)
    return RenamedCredential(credential)
