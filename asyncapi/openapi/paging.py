"""Recognise lists that come in pages, by the names that parameters and properties have in most APIs.

The first of these that an operation's parameters and its response both speak for:
1. A cursor: a parameter for it, and a place in the response that names the next (or `has_more` and the last item's id).
2. A `Link` header.
3. The URL of the next page in the response.
4. A parameter for the number of the page, or for the offset of the first item.
A search by POST has 1 and 4 in its JSON body.
A list is an array, or the one array in the response that is named as lists are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.bodies import is_json
from asyncapi.openapi.document import Parameter
from asyncapi.openapi.names import split, words

if TYPE_CHECKING:
    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Operation, Reply

# In one form: words in lower case with underscores between them, "nextPageToken" as next_page_token.
_PAGE = split("page page_number page_num page_no page_index current_page pagenumber p pg paged")
_SIZE = split(
    "per_page page_size limit size count max_results page_limit results_per_page perpage pagesize top first max"
)
_OFFSET = split("offset skip start start_index from page_offset first_result start_at startat start_row")
_CURSOR = split(
    "cursor page_token next_token after starting_after continuation_token marker page_after page_cursor next_cursor "
    "start_cursor continue pagination_token next_page_token pagetoken after_id next scroll_id bookmark token key "
    "start_key exclusive_start_key last_evaluated_key position sync_token since_id max_id page"
)
# Words that say something else in a body, mostly.
_VAGUE = frozenset(split("token key position next page continue bookmark since_id max_id after_id sync_token"))
_NEXT_CURSOR = split(
    "next_cursor next_page_token next_token next continuation_token continue cursor end_cursor after next_page "
    "next_marker marker pagination_token next_page_cursor nextcursor nextpagetoken next_position bookmark "
    "last_evaluated_key next_key scroll_id position starting_after next_page_starting_after"
)
_NEXT_URL = split("next next_url next_link next_page_url next_page next_page_uri next_uri odata_next_link next_href")
_MORE = split("has_more has_next has_next_page more is_truncated hasmore has_more_items truncated")
_TOTAL = split(
    "total total_count total_items total_results count total_elements total_records total_size num_results total_hits"
)
_TOTAL_PAGES = split("total_pages page_count pages last_page num_pages totalpages pagecount")
_ITEMS = split(
    "data items results values value entries records list content rows hits resources objects elements nodes"
)
_AROUND = split(
    "meta pagination paging page page_info links _links cursor cursors response_metadata metadata info data result "
    "response _metadata page_meta next navigation"
)
_DEEPEST = 3


@dataclass
class Paging:
    """How a list comes in pages.

    Attributes:
        by: The source of `by=`.
        items: The place of the list in the response, or nothing where the response is the list.
        item: The schema of an item.
        parameter: The parameter that the iteration sets, or nothing.
        hint: A name for the items.
    """

    by: str
    items: str
    item: Any
    parameter: str
    hint: str


def paging_of(operation: Operation, schemas: Schemas, reply: Reply | None) -> Paging | None:
    """Recognise the pages of an operation, or None."""
    if operation.method not in {"GET", "POST"} or reply is None:
        return None
    kind = next((one for one in reply.contents if is_json(one)), None)
    if kind is None:
        return None
    found = _list_in(reply.contents[kind].schema, schemas)
    if found is None:
        return None
    place, item = found
    response = _Places(reply.contents[kind].schema, schemas)
    hint = place.rpartition(".")[2]
    if operation.method == "POST":
        by = _by_body(_fields(operation, schemas), response, place, item, schemas=schemas, reply=reply)
        return None if by is None else Paging(by, place, item, "", hint)
    query = {_name(one.name): one for one in operation.parameters if one.where == "query"}
    made = _by(query, response, place, item, schemas=schemas, reply=reply)
    if made is None:
        return None
    by, parameter = made
    return Paging(by, place, item, parameter, hint)


def _fields(operation: Operation, schemas: Schemas) -> dict[str, Parameter]:
    """The properties of a JSON body, as if they were parameters."""
    body = operation.body
    kind = next((one for one in body.contents if is_json(one)), None) if body is not None else None
    if body is None or kind is None:
        return {}
    properties = schemas.facts(body.contents[kind].schema).get("properties") or {}
    found = {}
    for name, inner in properties.items():
        facts = schemas.facts(_not_null(inner, schemas))
        said = str(facts.get("description", ""))
        found[_name(name)] = Parameter(
            name, "query", required=False, schema=facts, style="form", explode=True, description=said
        )
    return found


def _by_body(
    fields: dict[str, Parameter], response: _Places, place: str, item: Any, *, schemas: Schemas, reply: Reply
) -> str | None:
    """Recognise the pages of a search by POST: only where the response says how many or whether more there are."""
    cursor = _first(fields, [name for name in _CURSOR if name not in _VAGUE], "string", "integer")
    if cursor is not None and (made := _cursor(cursor, response, place, item, schemas)):
        return made
    counted = [response.first(names, "integer", "number", "boolean") for names in (_TOTAL, _TOTAL_PAGES, _MORE)]
    if not place or not any(counted) or _first(fields, _SIZE, "integer", "number") is None:
        return None
    number = _first(fields, _PAGE, "integer", "number")
    if number is not None:
        return _page_number(number, response, reply)
    offset = _first(fields, _OFFSET, "integer", "number")
    return None if offset is None else _offset(offset, response, reply)


def _name(text: str) -> str:
    return "_".join(words(text)).lower()


class _Places:
    """The places of a response that have one value: dotted path -> schema, the shallow ones first."""

    def __init__(self, schema: Any, schemas: Schemas) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        level: list[tuple[str, Any]] = [("", schema)]
        for depth in range(_DEEPEST):
            deeper: list[tuple[str, Any]] = []
            for path, one in level:
                for name, inner in (schemas.facts(one).get("properties") or {}).items():
                    if not name or name.startswith("header:") or ("." in name and depth):
                        continue
                    facts = schemas.facts(_not_null(inner, schemas))
                    self.found[f"{path}{name}"] = facts
                    if facts.get("properties") and "." not in name and (_name(name) in _AROUND or name in _AROUND):
                        deeper.append((f"{path}{name}.", inner if facts is inner else _not_null(inner, schemas)))
            level = deeper

    def first(self, names: list[str], *types: str) -> str | None:
        """Return the place of the first name that there is, of one of these types."""
        by_name: dict[str, list[str]] = {}
        for path, facts in self.found.items():
            kind = facts.get("type")
            kinds = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else {"string"}
            if kinds & set(types):
                by_name.setdefault(_name(path.rpartition(".")[2] if "@" not in path else path), []).append(path)
        return next((by_name[name][0] for name in names if name in by_name), None)


def _not_null(schema: Any, schemas: Schemas) -> Any:
    facts = schemas.facts(schema)
    for word in ("anyOf", "oneOf"):
        rest = [one for one in facts.get(word) or () if isinstance(one, dict) and one.get("type") != "null"]
        if len(rest) == 1 and not facts.get("properties"):
            return rest[0]
    return schema


def _list_in(schema: Any, schemas: Schemas) -> tuple[str, Any] | None:
    """Find the list of a response: its place, and the schema of its items."""
    facts = schemas.facts(schema)
    if facts.get("type") == "array" or (isinstance(facts.get("items"), dict) and not facts.get("properties")):
        return "", facts.get("items") or {}
    arrays: dict[str, Any] = {}
    for name, inner in (facts.get("properties") or {}).items():
        found = schemas.facts(_not_null(inner, schemas))
        kind = found.get("type")
        if (kind == "array" or (isinstance(kind, list) and "array" in kind)) and "." not in name and name:
            arrays[name] = found.get("items") or {}
    named = {_name(name): name for name in arrays}
    best = next((named[one] for one in _ITEMS if one in named), None)
    if best is None and len(arrays) == 1:
        best = next(iter(arrays))
    if best is not None:
        return best, arrays[best]
    for name, inner in (facts.get("properties") or {}).items():
        if _name(name) in {"data", "result", "response", "embedded"} and "." not in name:
            deeper = _list_in(_not_null(inner, schemas), schemas)
            if deeper is not None and deeper[0]:
                return f"{name}.{deeper[0]}", deeper[1]
    return None


def _by(
    query: dict[str, Parameter], response: _Places, place: str, item: Any, *, schemas: Schemas, reply: Reply
) -> tuple[str, str] | None:
    cursor = _first(query, _CURSOR, "string", "integer")
    if cursor is not None and (made := _cursor(cursor, response, place, item, schemas)):
        return made, cursor.name
    if any(name.lower() == "link" for name in reply.headers):
        number = _first(query, _PAGE, "integer", "number")
        return "LinkHeader()", number.name if number is not None else cursor.name if cursor is not None else ""
    url = response.first(_NEXT_URL, "string", "object") if place else None
    if url is not None and _is_url(response.found[url], url):
        words_of_page = [_first(query, names, "integer", "number", "string") for names in (_PAGE, _OFFSET)]
        number = next((one for one in words_of_page if one is not None), None)
        return _next_url(url), number.name if number is not None else ""
    number = _first(query, _PAGE, "integer", "number")
    if number is not None:
        return _page_number(number, response, reply), number.name
    offset = _first(query, _OFFSET, "integer", "number")
    if offset is not None and (
        _first(query, _SIZE, "integer", "number") or response.first(_TOTAL, "integer", "number")
    ):
        return _offset(offset, response, reply), offset.name
    return None


def _first(query: dict[str, Parameter], names: list[str], *types: str) -> Parameter | None:
    for name in names:
        one = query.get(name)
        if one is None:
            continue
        kind = one.schema.get("type", "string")
        options = [
            each.get("type")
            for word in ("anyOf", "oneOf")
            for each in one.schema.get(word) or ()
            if isinstance(each, dict)
        ]
        kinds = {kind, *options} if isinstance(kind, str) else {*kind, *options}
        if options and "type" not in one.schema:
            kinds = set(options)
        if kinds & set(types) and "array" not in kinds:
            return one
    return None


def _cursor(one: Parameter, response: _Places, place: str, item: Any, schemas: Schemas) -> str | None:
    if not place:
        return None
    name = _name(one.name)
    more = response.first(_MORE, "boolean")
    at = response.first([each for each in _NEXT_CURSOR if each != name] + [name], "string", "integer")
    if name == "page" and not (at and "cursor" in _name(at)):
        return None
    extra = f", more={more!r}" if more is not None else ""
    is_last = name in {"starting_after", "after", "after_id", "since_id"}
    if at is not None and _are_numbers(one.schema) and not _are_numbers(response.found[at]):
        return None
    if at is not None and "." not in _dotless(at) and not _is_url(response.found[at], at, sure=True):
        if at == "next_cursor" and not extra:
            return "Cursor()" if one.name == "cursor" else f"Cursor({one.name!r})"
        return f"Cursor({one.name!r}, at={at!r}{extra})"
    if is_last and more is not None and "id" in (schemas.facts(item).get("properties") or {}):
        return f"Cursor({one.name!r}, at={f'{place}.-1.id'!r}{extra})"
    return None


def _are_numbers(schema: dict[str, Any]) -> bool:
    options = [each for word in ("anyOf", "oneOf") for each in schema.get(word) or () if isinstance(each, dict)]
    kinds = [each.get("type") for each in options or [schema]]
    flat = {kind for each in kinds for kind in (each if isinstance(each, list) else [each])} - {"null"}
    return bool(flat) and flat <= {"integer", "number"}


def _dotless(path: str) -> str:
    return path.replace(".", "") if "@" not in path else path


def _is_url(facts: dict[str, Any], path: str, *, sure: bool = False) -> bool:
    if facts.get("type") == "object" or facts.get("properties"):
        return "href" in (facts.get("properties") or {})
    said = f"{path} {facts.get('description', '')} {facts.get('format', '')} {facts.get('example', '')}".lower()
    if re.search(r"\b(ur[il]|uri-reference|link|href)\b|https?:|url|link|href", said):
        return True
    return not sure and _name(path.rpartition(".")[2]) == "next"


def _next_url(path: str) -> str:
    if "@" in path or path.startswith("."):
        return f"lambda page: page.data.get({path!r})"
    return "NextUrl()" if path == "next" else f"NextUrl({path!r})"


def _page_number(one: Parameter, response: _Places, reply: Reply) -> str:
    parts = [repr(one.name)] if one.name != "page" else []
    said = one.description.lower()
    schema = one.schema
    zero = schema.get("default") == 0 or (schema.get("minimum") == 0 and schema.get("default") is None)
    if zero or re.search(
        r"\b(zero|0)[- ](based|indexed)|starts? (at|with|from) (0|zero)\b|first page is (0|zero)\b", said
    ):
        parts.append("start=0")
    parts += _totals(response, reply)
    pages = response.first(_TOTAL_PAGES, "integer", "number")
    if pages is not None:
        parts.append(f"pages={pages!r}")
    return f"PageNumber({', '.join(parts)})"


def _offset(one: Parameter, response: _Places, reply: Reply) -> str:
    parts = [repr(one.name)] if one.name != "offset" else []
    if one.schema.get("minimum") == 1 or one.schema.get("default") == 1:
        parts.append("start=1")
    return f"Offset({', '.join([*parts, *_totals(response, reply)])})"


def _totals(response: _Places, reply: Reply) -> list[str]:
    total = response.first(_TOTAL, "integer", "number")
    header = next(
        (name for name in reply.headers if _name(name) in {"x_total_count", "x_total", "total_count", "x_count"}), None
    )
    if total is None and header is not None:
        return [f"total={f'header:{header}'!r}"]
    if total is not None and _name(total) == "count":  # of the list, or of this page: it isn't known
        return ["total=None"]
    return [] if total in {None, "total"} else [f"total={total!r}"]
