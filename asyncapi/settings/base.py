"""Make a settings class: a frozen dataclass that pydantic validates once, when it is made.

A wrong value raises a `ConfigError` of one line that names the setting and says what to give. pydantic takes longer to
import than most programs' first call, so it is not asked about values that are plainly right: defaults, and values of
the very type within their bounds (`asyncapi/settings/plain.py`).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from typing_extensions import dataclass_transform

from asyncapi.errors import ConfigError
from asyncapi.settings.checks import Bounds
from asyncapi.settings.plain import Unsure, plain_values

if TYPE_CHECKING:
    from collections.abc import Callable

    import pydantic
    import pydantic_core

C = TypeVar("C", bound=type)

Seconds = Annotated[float, Bounds(gt=0, finite=True)]


@dataclass_transform(frozen_default=True)
def settings(cls: C) -> C:
    """Make a frozen dataclass whose wrong values raise `ConfigError`."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    made.__pydantic_config__ = {"arbitrary_types_allowed": True, "extra": "forbid"}
    init = made.__init__
    validate: Callable[..., None] | None = None

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal validate
        if validate is None:
            try:
                values = plain_values(made, args, kwargs)
            except Unsure:
                validate = _validator(made)
            else:
                _set(made, init, self, values)
                return
        validate(self, args, kwargs)

    made.__init__ = checked
    return made  # type: ignore[no-any-return]


def _set(made: Any, init: Callable[..., None], self: Any, values: dict[str, Any]) -> None:
    """Set plain values; the class may still refuse them together."""
    try:
        init(self, **values)
    except ValueError as error:
        raise ConfigError(_named(_shown(made), str(error))) from None


def _validator(made: Any) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], None]:
    """Make the function that validates the arguments of a class and sets them."""
    import pydantic  # noqa: PLC0415 - it takes long
    from pydantic import SecretStr  # noqa: F401, PLC0415 - pydantic finds it here where an annotation names it
    from pydantic_core import ArgsKwargs  # noqa: PLC0415

    core = pydantic.TypeAdapter(made).validator
    invalid = pydantic.ValidationError

    def validate(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            core.validate_python(ArgsKwargs(args, kwargs), self_instance=self)
        except invalid as error:
            names = [field.name for field in dataclasses.fields(made)]
            raise ConfigError(_one_line(_shown(made), names, error)) from None

    return validate


def _shown(made: Any) -> str:
    return str(getattr(made, "shown_as", made.__name__))


def _named(name: str, message: str) -> str:
    # options of the command line name themselves
    return message if message.startswith((name, "--")) else f"{name}: {message}"


def _one_line(name: str, names: list[str], error: pydantic.ValidationError) -> str:
    problem: pydantic_core.ErrorDetails = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "dataclass_type":  # rate=5, cache=True
            message = f"give {problem['ctx']['class_name']}(...)"
        case "missing":
            return f"{name}: give {problem['loc'][0]}="
        case "unexpected_positional_argument":
            message = "give it by name"
        case "unexpected_keyword_argument":
            import difflib  # noqa: PLC0415

            close = difflib.get_close_matches(str(problem["loc"][0]), names, 1)
            message = "there is no such setting" + (f"; did you mean {close[0]}=?" if close else "")
    # a validator of the whole class
    if not problem["loc"]:  # several settings together
        return _named(name, message)
    first, *rest = problem["loc"]
    # a value given by position has its index in the place
    named = names[first] if isinstance(first, int) and first < len(names) else first  # given by position
    where = ".".join(str(part) for part in (named, *(part for part in rest if isinstance(part, int) and part > 0)))
    return f"{name}({where}={problem['input']!r}): {message}"
