"""Put together a GraphQL result that is delivered bit by bit (@defer and @stream).

Two formats are in use, and both are read:

    data, hasNext; then {path, data | items, errors}, alone or in a list `incremental`          (2020 to 2022)
    data, pending [{id, path}], hasNext; then incremental [{id, subPath, data | items}], completed [{id, errors}]

Rules:
1. The data of a deferred fragment is merged into the object at its path: objects by field, lists by index.
2. Items of a stream are put behind those that are there; a path that ends with an index says where they begin.
3. A part whose data or items are null brings errors only. The errors of all parts are in `errors`.
4. A patch never changes what was handed out: it makes new objects along its path.
5. A path that leads nowhere, or an id that is not pending, is an error: nothing is dropped in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors import final_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Path = tuple[str | int, ...]


class GrowingResult:
    """A result as far as it has come.

    Attributes:
        data: The data of all parts so far, merged.
        errors: The errors of all parts so far.
        extensions: Those of all parts; of two with the same name, the later counts.
        has_next: Whether more is to come.
    """

    __slots__ = ("_pending", "_started", "data", "errors", "extensions", "has_next")

    def __init__(self) -> None:
        self.data: Any = None
        self.errors: list[dict[str, Any]] = []
        self.extensions: dict[str, Any] = {}
        self.has_next: bool = True
        self._pending: dict[str, Path] = {}
        self._started = False

    def add(self, payload: Any) -> list[dict[str, Any]]:
        """Take in the next payload.

        Returns:
            list[dict[str, Any]]: The errors that it brought.

        Raises:
            ProtocolError: It is no payload of incremental delivery, or does not fit what came before.
        """
        if not isinstance(payload, dict):
            raise _unfit("a payload is no object")
        before = len(self.errors)
        for pending in _objects(payload, "pending"):
            self._pending[str(pending.get("id"))] = _path(pending.get("path", []))
        if not self._started:
            self._started = True
            self.data = payload.get("data")
            self._notes(payload)
        elif "path" in payload:  # 2020: the payload is itself a patch
            self._patch(payload)
        else:
            self._notes(payload)
        for patch in _objects(payload, "incremental"):
            self._patch(patch)
        for completed in _objects(payload, "completed"):
            self._notes(completed)
            self._pending.pop(str(completed.get("id")), None)
        self.has_next = payload.get("hasNext") is True
        return self.errors[before:]

    def _notes(self, part: dict[str, Any]) -> None:
        errors = _objects(part, "errors")
        if errors:
            self.errors = [*self.errors, *errors]
        if isinstance(extensions := part.get("extensions"), dict):
            self.extensions = {**self.extensions, **extensions}

    def _patch(self, patch: dict[str, Any]) -> None:
        self._notes(patch)
        path, at_end = self._place(patch)
        if isinstance(items := patch.get("items"), list):
            if at_end:
                self.data = _changed(self.data, path, lambda old: _extended(old, len(old or ()), items))
            else:
                *parent, start = path
                self.data = _changed(self.data, tuple(parent), lambda old: _extended(old, start, items))
        elif (data := patch.get("data")) is not None:
            self.data = _changed(self.data, path, lambda old: _merged(old, data))

    def _place(self, patch: dict[str, Any]) -> tuple[Path, bool]:
        """Return the path of a patch, and whether its items go behind those at the path."""
        if "id" not in patch:
            path = _path(patch.get("path", []))
            return path, not (path and isinstance(path[-1], int))
        try:
            path = self._pending[str(patch["id"])]
        except KeyError:
            raise _unfit(f"a part belongs to {patch['id']!r}, which is not pending") from None
        return (*path, *_path(patch.get("subPath") or [])), True


def _objects(part: dict[str, Any], name: str) -> Sequence[dict[str, Any]]:
    found = part.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _unfit(f"{name} is no list of objects")
    return found


def _path(path: Any) -> Path:
    steps = path if isinstance(path, list) else ()
    if steps is not path or not all(type(step) in {str, int} for step in steps):
        raise _unfit(f"{path!r} is no path")
    return tuple(steps)


def _changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return a copy of `value` in which the value at `path` is changed (rule 4)."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(step, str):
        return {**value, step: _changed(value.get(step), rest, change)}
    if isinstance(value, list) and isinstance(step, int) and 0 <= step <= len(value):
        following = _changed(value[step] if step < len(value) else None, rest, change)
        return [*value[:step], following, *value[step + 1 :]]
    raise _unfit(f"there is nothing at {list(path)!r} of a path")


def _extended(old: Any, start: Any, items: list[Any]) -> list[Any]:
    """Put items into a list from `start` on (rule 2)."""
    old = [] if old is None else old
    if not isinstance(old, list) or not isinstance(start, int) or not 0 <= start <= len(old):
        raise _unfit(f"items from {start!r} on do not fit behind what is there")
    return [*old[:start], *items, *old[start + len(items) :]]


def _merged(old: Any, new: Any) -> Any:
    """Merge objects by field and lists by index; anything else is replaced (rule 1)."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _merged(old[name], value) if name in old else value for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        both = min(len(old), len(new))
        return [*map(_merged, old[:both], new[:both]), *new[both:], *old[both:]]
    return new


def _unfit(what: str) -> Exception:
    return final_error(f"incremental delivery of GraphQL: {what}")
