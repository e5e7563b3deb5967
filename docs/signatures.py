"""Signatures that the API reference shows, where griffe can't know them from the code (a griffe extension).

The settings are dataclasses by a decorator of this package (`@settings`), which griffe does not know as one. And where
a type says its bounds (`Annotated[float, Field(gt=0)]`), the reader sees the type. The OAuth 2 credentials take shared
options as `**options: Unpack[...]`; the reader sees each of them with its default, as in `help()`.
"""  # noqa: INP001 - a script of mkdocstrings, in no package

from __future__ import annotations

from typing import Any

import griffe

# What stands for a type with bounds, by its name in the code.
NAMED = {"Seconds": "float"}
# Where the options that credentials share are declared, and have their defaults.
SHARED = "credentials.oauth.options"


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

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called by griffe when all modules of a package are known."""
        if "credentials" not in pkg.members:
            return
        defaults = pkg[f"{SHARED}.DEFAULTS"].value
        values = dict(zip((str(key).strip("'\"") for key in defaults.keys), defaults.values, strict=True))
        for module in pkg["credentials.oauth"].modules.values():
            for cls in module.classes.values():
                if (init := cls.members.get("__init__")) is not None:
                    expand_options(init, pkg, values)


def expand_options(init: griffe.Function, pkg: griffe.Module, defaults: dict[str, Any]) -> None:
    """Put one parameter for each shared option in place of `**options`."""
    last = list(init.parameters)[-1]
    if last.kind is not griffe.ParameterKind.var_keyword:
        return
    fields: dict[str, Any] = {}
    options = pkg[f"{SHARED}.{last.annotation.slice}"]
    while True:  # from the TypedDict to those that it adds to
        fields |= {each.name: each.annotation for each in options.attributes.values()}
        if str(options.bases[0]) == "TypedDict":
            break
        options = pkg[f"{SHARED}.{options.bases[0]}"]
    del init.parameters[last.name]
    for name, default in defaults.items():
        if name in fields:
            kind = griffe.ParameterKind.keyword_only
            init.parameters.add(griffe.Parameter(name, annotation=fields[name], kind=kind, default=default))


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
