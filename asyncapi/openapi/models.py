"""Make the pydantic models of a document, by `datamodel-code-generator`, and read its text as definitions.

The schemas come in one dialect and under the names of their classes (`classes.py`), so that the library has nothing to
decide. What it writes is read back as definitions, whose docstrings and layout are then ours.
"""

from __future__ import annotations

import ast
import inspect
import json
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.openapi.docstrings import docstring
from asyncapi.openapi.names import class_names, spelled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

BASE = "Model"

MODEL = '''
class Model(BaseModel):
    """The base of the models: what was not set is not sent."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    @model_serializer(mode="wrap", when_used="json")
    def _as_sent(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        sent: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            key = (field.alias or name) if info.by_alias else name
            extra = field.json_schema_extra
            null = field.is_required() or (isinstance(extra, dict) and "nullable" in extra)
            unset = name not in self.model_fields_set
            fixed = get_origin(field.annotation) is Literal
            if (unset and not fixed) or (key in sent and sent[key] is None and not null):
                sent.pop(key, None)
        return sent
'''
MODEL_IMPORTS = {
    "pydantic": {"BaseModel", "ConfigDict", "SerializationInfo", "SerializerFunctionWrapHandler", "model_serializer"},
    "typing": {"Any", "Literal", "get_origin"},
}


@dataclass
class Models:
    """The definitions of the models.

    Attributes:
        definitions: Name -> source, in the order in which they can be executed.
        imports: Module -> names.
        rebuilt: Statements behind them, which resolve what refers to later classes.
    """

    definitions: dict[str, str] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)
    rebuilt: list[str] = field(default_factory=list)


def models_of(flat: Mapping[str, Any]) -> Models:
    """Make the models of schemas in the dialect.

    Raises:
        ConfigError: The library is missing, or can't make models of them.
    """
    if not flat:
        return Models()
    made = _read(_generated({name: flat[name] for name in flat}), flat)
    missing = [name for name in flat if name not in made.definitions]
    if missing:
        raise ConfigError(f"no model was made of the schema {missing[0]!r}")
    return made


def _generated(flat: dict[str, Any]) -> str:
    library, config = _settings(flat)
    head = {"openapi": "3.1.0", "info": {"title": "models", "version": "1"}, "paths": {}}
    document = {**head, "components": {"schemas": flat}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are for who calls the library: us
            text = library.generate(json.dumps(document), config=config)
    except Exception as error:  # the library's own errors are of many kinds
        raise ConfigError(f"datamodel-code-generator can't make models of the schemas: {error}") from error
    return str(text)


def _settings(flat: dict[str, Any]) -> tuple[Any, Any]:
    """Return the library, and how it is to make the models."""
    try:
        import datamodel_code_generator as library  # noqa: PLC0415 - an extra, and takes long
        from datamodel_code_generator import enums  # noqa: PLC0415
        from datamodel_code_generator import format as forms  # noqa: PLC0415
        from datamodel_code_generator.config import GenerateConfig  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"models need datamodel-code-generator ({error}): pip install 'asyncapi-sdk[generate]'"
        ) from None
    return library, GenerateConfig(
        input_file_type=library.InputFileType.OpenAPI,
        output_model_type=enums.DataModelType.PydanticV2BaseModel,
        target_python_version=forms.PythonVersion.PY_311,
        base_class=f"base.{BASE}",
        openapi_scopes=[enums.OpenAPIScope.Schemas],
        output_datetime_class=forms.DatetimeClassType.Datetime,
        formatters=[],
        snake_case_field=True,
        aliases=spelled(_fields(flat)),
        remove_special_field_name_prefix=True,
        special_field_name_prefix="value",
        capitalise_enum_members=True,
        set_default_enum_member=True,
        use_annotated=True,
        field_constraints=True,
        strict_nullable=True,
        use_one_literal_as_default=True,
        use_default_kwarg=True,
        use_schema_description=True,
        use_field_description=True,
        use_attribute_docstrings=True,
        use_type_alias=True,
        disable_timestamp=True,
        treat_dot_as_module=False,
        type_mappings=["string+byte=string"],
        field_extra_keys_without_x_prefix={"x-nullable"},
    )


def _fields(schema: Any) -> Iterator[str]:
    """The names of all properties."""
    if isinstance(schema, dict):
        if isinstance(properties := schema.get("properties"), dict):
            yield from properties
        for one in schema.values():
            yield from _fields(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _fields(one)


# --- reading what was written -----------------------------------------------------------------------------------------


def _read(text: str, known: Collection[str]) -> Models:
    made = Models()
    body = renamed(ast.parse(text), known).body
    for at, node in enumerate(body):
        match node:
            case ast.ImportFrom(module=str() as module) if module not in {"__future__", "base"}:
                names = {f"{one.name} as {one.asname}" if one.asname else one.name for one in node.names}
                made.imports.setdefault(module, set()).update(names)
            case ast.ClassDef(bases=[ast.Name(id="Enum")]):
                made.definitions[node.name] = _values(node)
                made.imports.setdefault("typing", set()).update({"Literal", "TypeAlias"})
            case ast.ClassDef():
                made.definitions[node.name] = _class(node)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                made.definitions[name] = _alias(name, node, _text_of(body[at + 1 : at + 2]))
            case ast.Expr(value=ast.Call()):
                made.rebuilt.append(ast.unparse(node))
    return made


def renamed(tree: ast.Module, known: Collection[str]) -> ast.Module:
    """Give what the library has named by itself, such as the alias of a field's type, names that are free."""
    scope = class_names()
    for name in known:
        scope.take(name)
    names = {name: scope.take(name) for name in map(_defined, tree.body) if name and name not in known}
    changed = {name: free for name, free in names.items() if name != free}
    return _Renaming(changed).visit(tree) if changed else tree


def _defined(node: ast.stmt) -> str:
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


class _Renaming(ast.NodeTransformer):
    """Renames definitions where they are made and used, in quoted annotations too; never a field or a value."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Module(self, node: ast.Module) -> ast.Module:
        for one in node.body:
            if isinstance(one, ast.ClassDef):
                one.name = self._names.get(one.name, one.name)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.bases = [self.visit(one) for one in node.bases]
        for one in node.body:
            if isinstance(one, ast.AnnAssign):  # the target is a field
                one.annotation = self.visit(one.annotation)
                one.value = self.visit(one.value) if one.value is not None else None
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str) and node.value in self._names:
            node.value = self._names[node.value]
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        if not (isinstance(node.value, ast.Name) and node.value.id == "Literal"):
            self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.func = self.visit(node.func)
        if isinstance(node.func, ast.Name) and node.func.id == "TypeAliasType":
            node.args = [self.visit(one) for one in node.args]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Call):  # Name.model_rebuild()
            self.generic_visit(node)
        return node


def _text_of(nodes: list[ast.stmt]) -> str:
    """The docstring that the next statement is, or nothing."""
    match nodes:
        case [ast.Expr(value=ast.Constant(value=str() as said))]:
            return inspect.cleandoc(said)
    return ""


def _class(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    lines = [f"class {node.name}({bases}):"]
    body = list(node.body)
    if said := _text_of(body[:1]):
        lines += [docstring(said, 4), ""]
        body = body[1:]
    elif isinstance(body[0], ast.Pass):
        lines.append(docstring(f"{node.name}.", 4))
    for one in body:
        lines += _member(one)
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines)


def _values(node: ast.ClassDef) -> str:
    """An enum of values of several types, which Python's would mix up (True is 1): the values themselves."""
    values = [ast.unparse(one.value) for one in node.body if isinstance(one, ast.Assign)]
    said = _text_of(node.body[:1])
    text = f"{node.name}: TypeAlias = Literal[{', '.join(values)}]"
    return f"{text}\n{docstring(said, 0)}" if said else text


def _member(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Pass():
            return
        case ast.Expr(value=ast.Constant(value=str() as said)):
            yield docstring(said, 4)
        case ast.Assign(targets=[ast.Name(id="model_config")], value=ast.Call(keywords=words)):
            rest = [ast.unparse(one) for one in words if one.arg != "use_attribute_docstrings"]
            if rest:
                yield f"    model_config = ConfigDict({', '.join(rest)})\n"
        case ast.Assign(targets=[ast.Name(id="__annotations__")], value=ast.Dict(values=[kind])):
            yield from _extra(kind)
        case _:
            yield f"    {ast.unparse(node)}"


def _extra(kind: ast.expr) -> Iterator[str]:
    """The type of further properties, which pydantic takes from the annotation of where it keeps them."""
    if isinstance(kind, ast.Subscript) and isinstance(kind.slice, ast.Tuple):
        text = ast.unparse(_Unquoted().visit(kind.slice.elts[-1]))
        if text != "Any" and len(text) <= _LONGEST:
            yield f"    __pydantic_extra__: dict[str, {text}]  # pyright: ignore[reportIncompatibleVariableOverride]\n"


_LONGEST = 52  # of a type that leaves the comment beside it in its line


class _Unquoted(ast.NodeTransformer):
    """Takes the quotes from names in an annotation, which is not evaluated where it stands."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:
        if not (isinstance(node.value, ast.Name) and node.value.id in {"Literal", "Annotated"}):
            self.generic_visit(node)
        return node


def _alias(name: str, node: ast.Assign | ast.AnnAssign, said: str) -> str:
    """An alias of a type: a plain one, unless it refers to what comes later."""
    value = node.value
    match value:
        case ast.Call(func=ast.Name(id="TypeAliasType"), args=[_, inner]) if not _looks_ahead(inner):
            bare = {"list": "list[Any]", "dict": "dict[str, Any]"}  # of itself, which no alias can say
            text = f"{name}: TypeAlias = {bare.get(ast.unparse(inner), ast.unparse(inner))}"
        case _:
            text = ast.unparse(node)
    return f"{text}\n{docstring(said, 0)}" if said else text


def _looks_ahead(node: ast.AST) -> bool:
    """Whether an annotation has a quoted part, texts of Literal and of calls left out."""
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Call():
            return False
        case ast.Subscript(value=ast.Name(id="Literal")):
            return False
    return any(_looks_ahead(one) for one in ast.iter_child_nodes(node))
