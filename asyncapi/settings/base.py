"""Make a settings class: a frozen pydantic dataclass that is validated once, when it is made.

A wrong value raises a `ConfigError` of one line that names the setting and says what to give.
"""

import dataclasses
import difflib
import functools
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import Field
from typing_extensions import dataclass_transform

from asyncapi.errors import ConfigError

C = TypeVar("C", bound=type)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass_transform(frozen_default=True)
def settings(cls: C) -> C:
    """Make a frozen pydantic dataclass whose wrong values raise `ConfigError`."""
    config = pydantic.ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    checked_class: Any = pydantic.dataclasses.dataclass(frozen=True, config=config)(cls)
    init = checked_class.__init__
    names = [field.name for field in dataclasses.fields(checked_class)]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except pydantic.ValidationError as error:
            raise ConfigError(_one_line(getattr(cls, "shown_as", cls.__name__), names, error)) from None

    checked_class.__init__ = checked
    return checked_class  # type: ignore[no-any-return]


def _one_line(name: str, names: list[str], error: pydantic.ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "dataclass_type":  # rate=5, cache=True
            message = f"give {problem['ctx']['class_name']}(...)"
        case "missing":
            return f"{name}: give {problem['loc'][0]}="
        case "unexpected_positional_argument":
            message = "give it by name"
        case "unexpected_keyword_argument":
            close = difflib.get_close_matches(str(problem["loc"][0]), names, 1)
            message = "there is no such setting" + (f"; did you mean {close[0]}=?" if close else "")
    # a validator of the whole class
    if not problem["loc"]:  # several settings together
        return message if message.startswith(name) else f"{name}: {message}"
    first, *rest = problem["loc"]
    # a value given by position has its index in the place
    named = names[first] if isinstance(first, int) and first < len(names) else first  # given by position
    where = ".".join(str(part) for part in (named, *(part for part in rest if isinstance(part, int) and part > 0)))
    return f"{name}({where}={problem['input']!r}): {message}"
