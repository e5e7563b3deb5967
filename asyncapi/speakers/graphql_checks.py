"""Check GraphQL documents against a schema, once each: graphql-core reads and validates them.

Rules:
1. A text is checked the first time that it is seen, and never again; one that is wrong is refused each time.
2. @defer and @stream are known even where the schema does not define them: they are younger than graphql-core 3.2.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from graphql import GraphQLError, GraphQLSchema

_MOST = 4096  # texts that are remembered: programs that write documents as they go must not fill the memory
_YOUNG = {
    "defer": "directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT",
    "stream": "directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD",
}


class Checker:
    """Checks documents.

    Args:
        schema: What they have to fit.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._seen: OrderedDict[str, str] = OrderedDict()  # text -> what is wrong with it

    def check(self, document: str) -> None:
        """Check a document.

        Raises:
            ConfigError: It does not fit.
        """
        wrong = self._seen.get(document)
        if wrong is None:
            wrong = self._seen[document] = self._wrong(document)
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        if wrong:
            raise ConfigError(wrong)

    def _wrong(self, document: str) -> str:
        """Say what is wrong with a document; "" where it fits."""
        from graphql import GraphQLError, parse, validate  # noqa: PLC0415 - an extra

        try:
            errors = validate(self._schema, parse(document))
        except GraphQLError as error:
            errors = [error]
        if not errors:
            return ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"the document does not fit the schema: {_placed(errors[0])}{more}"


def checker(schema: str | Path) -> Checker:
    """Read a schema.

    Args:
        schema: The text of a schema in GraphQL's own language, or of an introspection result in JSON; or the path of a
            file that has it.

    Raises:
        ConfigError: It can't be read, or graphql-core is not installed.
    """
    try:
        from graphql import GraphQLError, build_client_schema, build_schema, extend_schema, parse  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"schema= needs graphql-core: pip install 'asyncapi-sdk[graphql]' ({error})") from error
    text = _text(schema)
    try:
        introspected = _introspected(text)
        built = build_schema(text) if introspected is None else build_client_schema(introspected)
        known = {directive.name for directive in built.directives}
        for name, definition in _YOUNG.items():
            if name not in known:  # rule 2
                built = extend_schema(built, parse(definition))
    except GraphQLError as error:
        raise ConfigError(f"schema: {_placed(error)}") from None
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"schema: it can't be read: {error}") from error
    return Checker(built)


def _text(schema: Any) -> str:
    if isinstance(schema, str) and ("{" in schema or "\n" in schema):
        return schema
    if not isinstance(schema, str | Path):
        raise ConfigError(f"schema={type(schema).__name__}: give the path of a schema, or its text")
    try:
        return Path(schema).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"schema: {schema} can't be read: {error}") from error


def _introspected(text: str) -> Any:
    """Return the result of an introspection query; None where the text is none."""
    if not text.lstrip().startswith("{"):
        return None
    found = from_json(text.encode())
    return found.get("data", found)


def _placed(error: GraphQLError) -> str:
    places = error.locations
    place = f" (line {places[0].line}, column {places[0].column})" if places else ""
    return f"{error.message}{place}"
