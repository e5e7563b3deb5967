"""What the API reference shows of a settings class: its signature, with the defaults (a griffe extension).

The settings are dataclasses by a decorator of this package (`@settings`), which griffe does not know as one. And where
a type says its bounds (`Annotated[float, Field(gt=0)]`), the reader sees the type.
"""  # noqa: INP001 - a script of mkdocstrings, in no package

from __future__ import annotations

from typing import Any

import griffe

# What stands for a type with bounds, by its name in the code.
NAMED = {"Seconds": "float"}


class Signatures(griffe.Extension):
    """Gives each settings class an `__init__` of its fields, in their order."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called by griffe when all members of a class are known."""
        if not any(str(decorator.value) == "settings" for decorator in cls.decorators):
            return
        for each in cls.attributes.values():
            each.annotation = without_bounds(each.annotation)
        if "__init__" not in cls.members:
            init = griffe.Function("__init__", parameters=griffe.Parameters(*parameters(cls)), returns="None")
            cls.set_member("__init__", init)


def parameters(cls: griffe.Class) -> list[griffe.Parameter]:
    """`self`, and one parameter for each field; those behind `_: KW_ONLY` are given by name."""
    kind = griffe.ParameterKind.positional_or_keyword
    found = [griffe.Parameter("self", kind=kind)]
    for each in cls.attributes.values():
        if each.name == "_":
            kind = griffe.ParameterKind.keyword_only
        elif each.annotation is not None and not each.is_private and "class-attribute" in each.labels:
            found.append(griffe.Parameter(each.name, annotation=each.annotation, kind=kind, default=each.value))
    return found


def without_bounds(annotation: Any) -> Any:
    """A type without its `Annotated[..., Field(...)]`."""
    if isinstance(annotation, griffe.ExprName):
        return NAMED.get(annotation.name, annotation)
    if isinstance(annotation, griffe.ExprBinOp):
        annotation.left = without_bounds(annotation.left)
        annotation.right = without_bounds(annotation.right)
    elif isinstance(annotation, griffe.ExprSubscript):
        if str(annotation.left) == "Annotated" and isinstance(annotation.slice, griffe.ExprTuple):
            return without_bounds(annotation.slice.elements[0])
        annotation.slice = without_bounds(annotation.slice)
    return annotation
