"""Write how a client identifies itself: one way to make it for each scheme that the document names."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncapi.openapi.docstrings import first_sentence
from asyncapi.openapi.names import snake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.openapi.document import Document, Operation, SecurityScheme
    from asyncapi.openapi.names import Names

_VALUE = "str | Env | File"


@dataclass
class Way:
    """One way to make a client.

    Attributes:
        name: Of the class method.
        scheme: The document's name of the scheme.
        parameters: Of the method, in its signature.
        credential: The expression that makes the credential.
        said: The first line of its docstring.
        arguments: Parameter -> what it is.
        imports: What the source needs of asyncapi.
    """

    name: str
    scheme: str
    parameters: list[str]
    credential: str
    said: str
    arguments: dict[str, str] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)


def ways_of(document: Document, names: Names) -> list[Way]:
    """Write the ways of a document, in its order; one for each flow of OAuth 2.0 that a program can go."""
    sets = _sets(document)
    single = {title for one in sets if len(one) == 1 for title in one}
    joint = {title for one in sets if len(one) > 1 for title in one}
    made = [way for one in sets if len(one) > 1 if (way := _together(one, document)) is not None]
    covered = {title for way in made for title in way.scheme.split(" and ")} & joint - single
    for title, scheme in document.security_schemes.items():
        made += _ways(title, scheme) if title not in covered else []
    for way in made:
        way.name = names.take(way.name)
    return made


def _sets(document: Document) -> list[tuple[str, ...]]:
    """The schemes that are needed together, each set once: first what the document says, then its operations."""
    said = [*document.security, *(one for each in document.operations for one in each.security)]
    return list(dict.fromkeys(tuple(one) for one in said if one))


def _together(titles: tuple[str, ...], document: Document) -> Way | None:
    """Write the way of several schemes, or None where one of them has none."""
    ways = [
        _ways(title, document.security_schemes[title])[:1] for title in titles if title in document.security_schemes
    ]
    parts = [way for found in ways for way in found]
    if len(parts) < len(titles):
        return None
    count = Counter(one.partition(":")[0] for way in parts for one in way.parameters)
    names, said = [], []
    made = Way("", " and ".join(titles), [], "", "")
    for title, way in zip(titles, parts, strict=True):
        new = {one.partition(":")[0]: one.partition(":")[0] for one in way.parameters}
        new = {old: f"{snake(title)}_{old}" if count[old] > 1 else old for old in new}
        made.parameters += [f"{new[one.partition(':')[0]]}:{one.partition(':')[2]}" for one in way.parameters]
        made.arguments |= {new[old]: text for old, text in way.arguments.items()}
        made.imports |= way.imports
        said.append(_renamed(way.credential, new))
        names.append(way.name.removeprefix("with_"))
    made.name = f"with_{'_and_'.join(names)}"
    made.credential = f"Together({', '.join(said)})"
    made.said = f"Make a client that sends what the API needs together: {' and '.join(titles)}."
    return made


def _renamed(expression: str, names: Mapping[str, str]) -> str:
    tree = ast.parse(expression, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return ast.unparse(tree)


def _ways(title: str, one: SecurityScheme) -> list[Way]:
    name = f"with_{snake(title, 'scheme').strip('_')}"
    said = first_sentence(one.description)
    if one.kind == "apiKey" and one.where in {"header", "query", "cookie"} and one.name:
        place = {"header": "the header", "query": "the query parameter", "cookie": "the cookie"}[one.where]
        text = said or f"Make a client that sends its key in {place} {one.name}."
        return [
            Way(name, title, [f"key: {_VALUE}"], f"ApiKey(key, {one.where}={one.name!r})", text,
                {"key": f"The value of {place} {one.name}."}, {"ApiKey", "Env", "File"})
        ]  # fmt: skip
    if one.kind == "http":
        return _http(name, title, one, said)
    if one.kind == "oauth2":
        return _oauth(name, title, one, said)
    if one.kind == "openIdConnect":
        return [_bearer(name, title, said or "Make a client that sends an OpenID Connect access token.")]
    return []


def _http(name: str, title: str, one: SecurityScheme, said: str) -> list[Way]:
    if one.scheme in {"basic", "digest"}:
        kind = one.scheme.capitalize()
        return [
            Way(name, title, [f"user: {_VALUE}", f"password: {_VALUE}"], f"{kind}(user, password)",
                said or f"Make a client that sends a user and a password by the {kind} scheme.",
                {"user": "The user.", "password": "The user's password."}, {kind, "Env", "File"})
        ]  # fmt: skip
    if one.scheme == "bearer":
        form = f" ({one.bearer_format})" if one.bearer_format else ""
        return [_bearer(name, title, said or f"Make a client that sends a bearer token{form}.")]
    return []


def _bearer(name: str, title: str, said: str) -> Way:
    arguments = {"token": "Sent as Authorization: Bearer."}
    return Way(name, title, [f"token: {_VALUE}"], "Bearer(token)", said, arguments, {"Bearer", "Env", "File"})


def _oauth(name: str, title: str, one: SecurityScheme, said: str) -> list[Way]:
    made = []
    client = {"client_id": "The id of your application.", "client_secret": "Its secret."}
    for flow, facts in one.flows.items():
        url, login = str(facts.get("tokenUrl") or ""), str(facts.get("authorizationUrl") or "")
        scopes = [str(scope) for scope in facts.get("scopes") or ()]
        listed = f" Scopes: {', '.join(scopes)}." if scopes else ""
        arguments = {**client, "scope": f"What the token is for, separated by spaces.{listed}"}
        if flow in {"clientCredentials", "application"} and url.startswith("http"):
            made.append(
                Way(name, title, ["client_id: str", f"client_secret: {_VALUE}", 'scope: str = ""'],
                    f"OAuth2ClientCredentials({url!r}, client_id, client_secret, scope=scope)",
                    said or "Make a client that gets its tokens by the client credentials grant of OAuth 2.0.",
                    arguments, {"OAuth2ClientCredentials", "Env", "File"})
            )  # fmt: skip
        elif flow in {"authorizationCode", "accessCode"} and url.startswith("http") and login.startswith("http"):
            optional = f"client_secret: {_VALUE} | None = None"
            made.append(
                Way(f"{name}_login" if made else name, title, ["client_id: str", optional, 'scope: str = ""'],
                    f"OAuth2AuthorizationCode({login!r}, client_id, client_secret, token_url={url!r}, scope=scope)",
                    said or "Make a client whose user logs in with a browser (OAuth 2.0, authorization code).",
                    arguments, {"OAuth2AuthorizationCode", "Env", "File"})
            )  # fmt: skip
    if not made or any(flow in {"implicit", "password"} for flow in one.flows):
        text = "Make a client that sends an access token of OAuth 2.0."
        made.append(_bearer(f"{name}_token" if made else name, title, text if made else said or text))
    return made


# --- what single operations need --------------------------------------------------------------------------------------


def is_public(operation: Operation, document: Document) -> bool:
    """Whether the document says of an operation that it needs no credential, although others do.

    One that says nothing, in a document without a general rule, gets the client's: documents forget to say.
    """
    said = document.plain["paths"].get(operation.path, {}).get(operation.method.lower(), {}).get("security")
    return said == [] and bool(document.security_schemes) and _others_need(document)


def _others_need(document: Document) -> bool:
    return any(one.security for one in document.operations)


def needs(operation: Operation) -> list[str]:
    """Return what an operation accepts as identification, one text for each alternative."""
    return [" and ".join(one) for one in operation.security if one]


def usual(document: Document) -> list[str]:
    """Return what most operations of the document accept: its own word, or that of the most operations."""
    if document.security:
        return [" and ".join(one) for one in document.security if one]
    counts = Counter(tuple(needs(one)) for one in document.operations if needs(one))
    return list(counts.most_common(1)[0][0]) if counts else []
