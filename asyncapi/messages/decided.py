"""What a policy decided, in the record of an attempt: its texts are made when somebody reads them.

While a host is down a decision follows each attempt, and hardly one is read: to write them out would take longer than
to decide. So such a record has no `why`, `then` or `state` at first. Python asks `__getattr__` for a name without a
value: there they are made, once, from the decision. Records of other attempts have theirs from the start, and cost
nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol


class Decision(Protocol):
    """What was decided after an attempt, as records show it."""

    wait: float

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        ...


class Decided:
    """A record whose texts may still have to be made."""

    __slots__ = ("_after", "_before")

    if TYPE_CHECKING:
        why: str
        then: str
        state: dict[str, Any] | None
        _before: tuple[str, str, Decision]
        _after: tuple[dict[str, Any] | None, Decision]
    else:

        def __getattr__(self, name: str) -> Any:
            if name not in _MADE:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            value = self._made(name)
            setattr(self, name, value)
            return value

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Return the record for a copy: its texts, not what they are made of."""
        return None, {name: getattr(self, name) for name in type(self).__slots__}

    def _made(self, name: str) -> str | dict[str, Any]:
        if name == "why":
            why, prefix, decision = self._before
            return f"{prefix} ({decision.reason}){why[len(prefix) :]}"
        given, decision = self._after
        if name == "then":
            return f"retried after {decision.wait:.3g} s (learned: {decision.reason})"
        return {**(given or {}), "learned": decision.as_dict()}


_MADE: Final = frozenset({"why", "then", "state"})
# The slots are written from outside of the class: records have no public methods that only layers need.
_set_before: Final = Decided.__dict__["_before"].__set__
_set_after: Final = Decided.__dict__["_after"].__set__


def sent_for(record: Decided, prefix: str, decision: Decision) -> None:
    """Write into a record what its sending was decided on; the decision's reason belongs after that start of `why`."""
    _set_before(record, (record.why, prefix, decision))
    del record.why


def followed_by(record: Decided, decision: Decision) -> None:
    """Write into a record what was decided after the attempt: `state` shows it."""
    _set_after(record, (record.state, decision))
    del record.state


def retried(record: Decided) -> None:
    """Write into a record that the retry follows that was decided on: `then` shows it."""
    del record.then
