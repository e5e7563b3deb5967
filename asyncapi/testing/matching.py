"""What a route asks of a request: conditions that say, where they don't hold, what is different.

Rules:
1. A value is text, compared as the client would write it; a `re.Pattern`, found anywhere in it; a function that returns
   whether it fits; anything that compares equal (`unittest.mock.ANY`); or None: it must not be there.
2. Query parameters, headers, form fields and the keys of JSON objects are the least that must be there; there may be
   more. Lists are compared in full.
3. Of a URL, what is written must hold: a path alone goes for any host. `{name}` stands for one segment of the path and
   `{name:path}` for any number; `*` in a host stands for any text.
4. A condition never shows what is named like a secret: in a header, a URL, a form or JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from asyncapi.errors import ConfigError
from asyncapi.redact import MASK, is_secret, is_secret_field, redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncapi.testing.mock_calls import MockCall

_URL = re.compile(r"(?:(?P<scheme>\w+)://(?P<host>[^/?#]+))?(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_SLOT = re.compile(r"\{(\w+)(:path)?\}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_PLAIN_SCHEMES = {"ws": "http", "wss": "https"}
_SLASH = "\0"  # a %2F, which is no end of a segment
_SHOWN = 80
_HIDDEN = "{} differs (it is named like a secret, and not shown)"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a route asks.

    Attributes:
        part: Which part of a request: "method", "host", "path", "query", "headers" or "body".
        asked: What is asked, as the route's name shows it.
        difference: Returns what is different, or "" where it holds.
        exact: Whether it names one value: such a route goes before one with a template.
        literal: The path, where it asks for that one alone.
    """

    part: str
    asked: str
    difference: Callable[[MockCall], str]
    exact: bool = True
    literal: str | None = None


def shown(value: Any) -> str:
    """Return a value as messages show it."""
    if isinstance(value, re.Pattern):
        return f"/{value.pattern}/"
    name = getattr(value, "__name__", "")
    text = f"{name}()" if callable(value) and name else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def fits(expected: Any, value: Any) -> bool:
    """Whether a value is as expected (rule 1)."""
    if isinstance(expected, re.Pattern):
        text = value if isinstance(expected.pattern, str) or not isinstance(value, str) else value.encode()
        return isinstance(text, str | bytes) and expected.search(text) is not None
    if callable(expected) and not isinstance(expected, type):
        return bool(expected(value))
    if isinstance(expected, bool):
        return bool(value is expected or value == str(expected).lower())
    if isinstance(expected, int | float) and isinstance(value, str):
        return value == str(expected)
    return not isinstance(value, bool) and bool(expected == value)


def unlike(expected: Any, value: Any, place: str = "$") -> str:
    """Return where JSON differs from what is expected, or "" (rule 2)."""
    if isinstance(expected, dict) and isinstance(value, dict):
        for key, inner in expected.items():
            if key not in value:
                if inner is None:
                    continue
                return f"{place}.{key} is missing"
            if text := unlike(inner, value[key], f"{place}.{key}"):
                return text
        return ""
    if isinstance(expected, list) and isinstance(value, list):
        if len(expected) != len(value):
            return f"{place} has {len(value)} elements, not {len(expected)}"
        pairs = enumerate(zip(expected, value, strict=True))
        return next((text for at, (one, other) in pairs if (text := unlike(one, other, f"{place}[{at}]"))), "")
    if expected is value if isinstance(expected, bool) or expected is None else fits(expected, value):
        return ""
    secret = isinstance(value, str) and is_secret_field(place.rpartition(".")[2])
    return _HIDDEN.format(place) if secret else f"{place} is {shown(value)}, not {shown(expected)}"


def method_is(method: str) -> Condition:
    """Ask for an HTTP method.

    Raises:
        ConfigError: It is none.
    """
    if re.fullmatch(r"[A-Za-z][\w-]*", str(method)) is None:
        raise ConfigError(f"{method!r}: give an HTTP method, as in route('GET', '/users')")
    wanted = method.upper()
    return Condition(
        "method", wanted, lambda call: "" if call.method == wanted else f"the method is {call.method}, not {wanted}"
    )


def url_is(url: str | re.Pattern[str]) -> list[Condition]:
    """Ask for a URL (rule 3).

    Raises:
        ConfigError: It is no URL and no path.
    """
    if isinstance(url, re.Pattern):
        return [_url_has(url)]
    found = _URL.fullmatch(str(url))
    if not url or found is None or (found["host"] is None and found["path"] is None and found["query"] is None):
        raise ConfigError(f"{url!r}: give a path that begins with /, a whole URL, or a re.Pattern")
    conditions = []
    if found["host"] is not None:
        scheme = _PLAIN_SCHEMES.get(found["scheme"], found["scheme"])
        conditions += [_scheme_is(scheme), host_is(found["host"].removesuffix(_DEFAULT_PORTS.get(scheme, ":")))]
    if found["path"] is not None or found["host"] is not None:
        conditions.append(path_is(found["path"] or "/"))
    if found["query"]:
        given: dict[str, Any] = {}
        for name, value in parse_qsl(found["query"], keep_blank_values=True):
            given[name] = [*given[name], value] if name in given else [value]
        conditions += fields_are("query", given, lambda call: call.params)
    return conditions


def _url_has(pattern: re.Pattern[str]) -> Condition:
    def difference(call: MockCall) -> str:
        bare = str(call.url.with_query(None).with_fragment(None))
        texts = (bare, str(call.url), call.url.raw_path, call.url.path)
        return "" if any(pattern.search(text) for text in texts) else f"the URL does not match /{pattern.pattern}/"

    return Condition("path", f"/{pattern.pattern}/", difference, exact=False)


def _scheme_is(scheme: str) -> Condition:
    def difference(call: MockCall) -> str:
        given = _PLAIN_SCHEMES.get(call.url.scheme, call.url.scheme)
        return "" if given == scheme else f"the scheme is {given}, not {scheme}"

    return Condition("host", f"{scheme}://", difference)


def host_is(host: str) -> Condition:
    """Ask for a host, perhaps with its port.

    Raises:
        ConfigError: It is no host.
    """
    if not host or "/" in str(host):
        raise ConfigError(
            f"{host!r}: give a host, perhaps with its port, as in 'api.example.com' or '*.example.com:8443'"
        )
    wanted = host.lower()
    ported = re.search(r":\d+$", wanted) is not None

    def difference(call: MockCall) -> str:
        given = call.request.target.host.lower()
        bare = given if ported else re.sub(r":\d+$", "", given)
        found = any(wanted == text or fnmatchcase(text, wanted.replace("[", "[[]")) for text in (given, bare))
        return "" if found else f"the host is {given}, not {wanted}"

    return Condition("host", wanted, difference, exact="*" not in wanted)


def path_is(template: str) -> Condition:
    """Ask for a path (rule 3); what its slots stand for goes into the call's `path_params`.

    Raises:
        ConfigError: A slot has no name, or one that another has.
    """
    names = [slot[1] for slot in _SLOT.finditer(template)]
    if len(set(names)) < len(names) or any(name[:1].isdigit() for name in names):
        raise ConfigError(f"{template!r}: give each {{name}} another name, which begins with a letter")
    if "{" in _SLOT.sub("", template) or "}" in _SLOT.sub("", template):
        raise ConfigError(
            f"{template!r}: a {{name}} has letters, digits and underscores; a brace of the path itself is "
            "written %7B or %7D"
        )
    pattern, at = "", 0
    for slot in _SLOT.finditer(template):
        pattern += re.escape(segments(template[at : slot.start()]))
        pattern += f"(?P<{slot[1]}>{'.*' if slot[2] else '[^/]+'})"
        at = slot.end()
    regex = re.compile(pattern + re.escape(segments(template[at:])), re.DOTALL)

    def difference(call: MockCall) -> str:
        found = regex.fullmatch(segments(call.url.raw_path))
        if found is None:
            return f"the path is {redact_url(call.url.raw_path)}, not {template}"
        call.path_params = {name: value.replace(_SLASH, "/") for name, value in found.groupdict().items()}
        return ""

    return Condition("path", template, difference, exact=not at, literal=None if at else segments(template))


def segments(path: str) -> str:
    """Decode each segment of a path, and keep a slash in one apart from those between them."""
    return "/".join(unquote(segment).replace("/", _SLASH) for segment in path.split("/"))


def fields_are(
    part: str, expected: Mapping[str, Any], of: Callable[[MockCall], Any], what: str = ""
) -> list[Condition]:
    """Ask for query parameters, headers or form fields (rules 1 and 2).

    Args:
        part: Which part of a request.
        expected: Name -> value, or a list of values for one that comes several times.
        of: Returns the fields of a call.
        what: What a field is called in messages.
    """
    kind = what or {"query": "query parameter", "headers": "header"}[part]
    if not hasattr(expected, "items"):
        raise ConfigError(f"{expected!r:.80}: give each {kind} by its name, as in {{'name': 'value'}}")
    return [_field_is(part, kind, str(name), value, of) for name, value in expected.items()]


def _field_is(part: str, kind: str, name: str, value: Any, of: Callable[[MockCall], Any]) -> Condition:
    def difference(call: MockCall) -> str:
        given = of(call).getall(name, [])
        if value is None:
            return f"{kind} {name} is there" if given else ""
        if not given:
            return f"{kind} {name} is missing"
        if isinstance(value, list | tuple):
            same = len(value) == len(given) and all(map(fits, value, given))
        else:
            same = any(fits(value, one) for one in given)
        if same:
            return ""
        if is_secret(name):  # rule 4
            return _HIDDEN.format(f"{kind} {name}")
        return f"{kind} {name} is {shown(_single(given))}, not {shown(_single(value))}"

    asked = MASK if is_secret(name) and value is not None else shown(_single(value))
    return Condition(part, f"header {name}: {asked}" if part == "headers" else f"{name}={asked}", difference)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def content_is(expected: Any) -> Condition:
    """Ask for a body, byte for byte, or by a pattern or a function (rule 1)."""

    def difference(call: MockCall) -> str:
        given: Any = call.content
        if isinstance(expected, str) or (isinstance(expected, re.Pattern) and isinstance(expected.pattern, str)):
            given = call.text
        return "" if fits(expected, given) else f"the body is {shown(given)}, not {shown(expected)}"

    return Condition("body", "content", difference)


def json_is(expected: Any) -> Condition:
    """Ask for a JSON body (rule 2)."""
    if hasattr(expected, "model_dump"):
        expected = expected.model_dump(mode="json")

    def difference(call: MockCall) -> str:
        try:
            given = call.json()
        except ValueError:
            return "the body is no JSON" if call.content else "there is no body"
        text = unlike(expected, given)
        return f"in the JSON body, {text}" if text else ""

    return Condition("body", "json", difference)


def graphql_is(operation: str | None, variables: Mapping[str, Any] | None) -> Condition:
    """Ask for a GraphQL operation by its name, and for variables (rule 2).

    Raises:
        ConfigError: The variables are no mapping.
    """
    if variables is not None and not hasattr(variables, "items"):
        raise ConfigError(f"variables={variables!r:.80}: give them by their names, as in {{'id': 1}}")

    def difference(call: MockCall) -> str:
        operations = call.operations
        if not operations:
            return "it is no GraphQL operation"
        for name, _, given in operations:
            if operation is not None and name != operation:
                continue
            text = unlike(dict(variables or {}), given, "variables")
            return text and f"in the operation, {text}"
        names = ", ".join(name or "one without a name" for name, _, _ in operations)
        return f"the operation is {names}, not {operation}"

    asked = ", ".join(f"{name}={shown(value)}" for name, value in (variables or {}).items())
    return Condition("body", asked, difference)


def predicate(match: Callable[[Any], object]) -> Condition:
    """Ask a function of the request; it is a ConfigError where it is none."""
    if not callable(match):
        raise ConfigError(f"match={match!r:.80}: give a function of the request")
    name = getattr(match, "__name__", repr(match))
    return Condition(
        "body", f"match={name}", lambda call: "" if match(call.request) else f"match={name} returned something false"
    )
