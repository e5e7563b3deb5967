"""The schema of `/graphql`, and how its operations run. Imported by the first request: graphql-core is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_argument_values, get_variable_values

from asyncapi.serve.items import row
from asyncapi.serve.users import user

if TYPE_CHECKING:
    from collections.abc import Iterator

SDL = """
type Query {
  "Users 1 to 1000; null for 404, which does not exist."
  user(id: ID!): User
  users(first: Int = 3): [User!]!
  items(first: Int = 3): [Item!]!
  "An error with this code in its extensions."
  fail(code: String = "INTERNAL_SERVER_ERROR"): String
}

type Mutation {
  "Renames a user until POST /reset."
  renameUser(id: ID!, name: String!): User!
}

type Subscription {
  "Prices from behind `after` on, `count` of them."
  prices(after: Int = 100, count: Int = 10): Price!
}

type User { id: ID!  name: String!  email: String!  team: String!  active: Boolean! }
type Item { id: ID!  name: String!  price: Float!  tags: [String!]! }
type Price { id: ID!  cents: Int! }
"""
_BUILT_IN, _MISSING = 1_000, 404
_MOST = 1_000


class Root:
    """What the fields of queries and mutations give.

    Args:
        names: The names of users that were renamed.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def user(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002 - the argument's name in the schema
        """The user of an id."""
        number = int(id) if id.isascii() and id.isdigit() and len(id) <= len(str(_BUILT_IN)) else 0
        if not 1 <= number <= _BUILT_IN or number == _MISSING:
            return None
        found = user(number)
        return found | {"name": self._names.get(number, found["name"])}

    def users(self, info: Any, first: int) -> list[dict[str, Any]]:
        """The first users."""
        found = (self.user(info, str(number)) for number in range(1, _bounded(first) + 1))
        return [each for each in found if each is not None]

    def items(self, _info: Any, first: int) -> list[dict[str, Any]]:
        """The first items."""
        return [row(number) for number in range(1, _bounded(first) + 1)]

    def fail(self, _info: Any, code: str) -> None:
        """Nothing but an error."""
        raise GraphQLError(f"{code} on purpose", extensions={"code": code})

    def renameUser(self, info: Any, id: str, name: str) -> dict[str, Any]:  # noqa: A002, N802 - the schema's names
        """The user under its new name."""
        found = self.user(info, id)
        if found is None:
            raise GraphQLError(f"there is no user {id}", extensions={"code": "NOT_FOUND"})
        self._names[int(found["id"])] = name
        return found | {"name": name}


class Operation:
    """One operation that fits the schema.

    Attributes:
        kind: "query", "mutation" or "subscription".
    """

    def __init__(self, schema: GraphQLSchema, parameters: dict[str, Any]) -> None:
        self._schema = schema
        self._document = parse(parameters["query"])
        wrong = validate(schema, self._document)
        if wrong:
            raise Invalid(wrong)
        self._name = parameters.get("operationName")
        self._variables = parameters.get("variables") or {}
        node = get_operation_ast(self._document, self._name)
        if node is None:
            raise Invalid(
                [GraphQLError("the document has no operation of this name, or several without operationName")]
            )
        self._node: OperationDefinitionNode = node
        self.kind: str = node.operation.value

    def run(self, root: Any) -> dict[str, Any]:
        """Run it once."""
        result = execute_sync(
            self._schema, self._document, root_value=root, variable_values=self._variables, operation_name=self._name
        )
        return result.formatted  # type: ignore[return-value]

    def results(self) -> Iterator[dict[str, Any]]:
        """The results of a subscription.

        Raises:
            Invalid: Its arguments do not fit.
        """
        arguments = self._arguments()
        first, count = arguments["after"] + 1, max(0, arguments["count"])
        return (self.run({"prices": {"id": number, "cents": number}}) for number in range(first, first + count))

    def _arguments(self) -> dict[str, Any]:
        values = get_variable_values(self._schema, self._node.variable_definitions or (), self._variables)
        if isinstance(values, list):  # graphql-core 3.2 and 3.3
            raise Invalid(values)
        field = next(each for each in self._node.selection_set.selections if hasattr(each, "arguments"))
        kind = self._schema.subscription_type
        assert kind is not None  # noqa: S101 - the schema has one
        return get_argument_values(kind.fields["prices"], field, values)  # type: ignore[arg-type]


class Invalid(Exception):
    """A document or arguments that do not fit the schema."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors: list[Any] = [error.formatted for error in errors]


def schema() -> GraphQLSchema:
    """Build the schema."""
    return build_schema(SDL)


def operation(of: GraphQLSchema, parameters: dict[str, Any]) -> Operation:
    """Read an operation.

    Raises:
        Invalid: It does not fit the schema.
    """
    try:
        return Operation(of, parameters)
    except GraphQLError as error:  # a syntax error
        raise Invalid([error]) from None


def _bounded(first: int) -> int:
    return min(max(first, 0), _MOST)
