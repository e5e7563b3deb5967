"""Say what a setting demands beside its type; pydantic is imported only when a value has to be validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


class Bounds:
    """The bounds of a number: `Annotated[int, Bounds(ge=1)]`.

    Args:
        ge: The value is at least this.
        gt: The value is above this.
        le: The value is at most this.
        lt: The value is below this.
        strict: Only the type itself is taken: no text, and no True for 1.
        finite: Infinity and NaN are refused.
    """

    __slots__ = ("_demands",)

    def __init__(
        self,
        *,
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        strict: bool = False,
        finite: bool = False,
    ) -> None:
        demands: dict[str, Any] = {"ge": ge, "gt": gt, "le": le, "lt": lt, "strict": strict or None}
        if finite:
            demands["allow_inf_nan"] = False
        self._demands: Final = {name: demand for name, demand in demands.items() if demand is not None}

    def hold(self, value: float) -> bool:
        """Whether a number keeps the bounds; False also where only pydantic can tell."""
        if not -1e300 < value < 1e300:  # noqa: PLR2004 - infinity, NaN, and integers that are no floats
            return False
        found = self._demands
        return (
            value >= found.get("ge", value)
            and value <= found.get("le", value)
            and ("gt" not in found or value > found["gt"])
            and ("lt" not in found or value < found["lt"])
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler(source) | self._demands


class After:
    """A function that checks, and may change, a value of the right type; it raises ValueError."""

    __slots__ = ("_check",)

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self._check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.no_info_after_validator_function(self._check, handler(source))


class Before:
    """A function that reads a value before its type is checked; it raises ValueError."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.no_info_before_validator_function(self._read, handler(source))


class Nonempty:
    """Text that is not empty."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler(source) | {"min_length": 1}
