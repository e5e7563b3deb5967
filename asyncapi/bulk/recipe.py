"""Make the request of a row: its URL, headers and body, and what of the row its output repeats.

Rules:
1. Without a URL template a row is a request, with the keys of `Line`. With one, it is a set of columns, and `id` alone
   has a meaning of its own.
2. If anything else asks for columns (a body, a header, `carry`, `weight_from`), keys that a request doesn't have are
   columns too, beside those of the request.
3. A row has one body. `json`, `data` and `content` of a row are plain columns where the job's body asks for them.
4. `carry` never repeats the id, nor the URL that the row was fetched from: the output has them already.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

from asyncapi.bulk.bodies import DataBody, HeaderFields, JsonBody
from asyncapi.bulk.item import Item
from asyncapi.bulk.template import Template, as_json, as_text, column, missing, shown
from asyncapi.calls.arguments import checked_headers, flat_params
from asyncapi.errors import ConfigError
from asyncapi.messages import decoding
from asyncapi.redact import redact_broken

if TYPE_CHECKING:
    from collections.abc import Iterable

Carry = Literal["all", "none"] | tuple[str, ...]

PLAIN_URL = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{2,4})?/[\w./~=&?%+,-]*",
    re.ASCII,
)
COLUMNS = ("id", "method", "url", "idempotency_key")  # what a table without a template may say of a request

ERROR_KEY = "asyncapi_error"  # in a file of failed rows: what went wrong

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BODIES = ("json", "data", "content")
_BODY = frozenset(_BODIES)
_PLAIN_ID = frozenset({str, int})


class Line(TypedDict, total=False):
    """A row of JSONL that is a request."""

    id: str | int | None
    method: str
    url: str
    headers: dict[str, str]
    params: dict[str, Any]
    json: Any
    data: dict[str, Any]
    content: str
    idempotency_key: str | bool | None
    idempotent: bool | None


Line.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]  # pydantic reads it
KEYS = tuple(Line.__annotations__)


class LineAgain(Line, total=False):
    """A row of JSONL from a file of failed rows, with what went wrong (failed.py): the reader takes that away."""

    asyncapi_error: Any


LineAgain.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]  # pydantic reads it


class Recipe:
    """How rows become requests.

    Args:
        template: Fills a URL from columns.
        json: A JSON body with fields in its texts.
        data: A body of text with fields.
        headers: The headers that every request has; their values may have fields.
        method: HTTP method for rows that don't specify one; None: POST where there is a body, else GET.
        relative: Whether URLs without a host are allowed, because the client has a base URL.
        carry: The columns that the output repeats.
        weight_from: The column that says how many tokens a row takes.

    Attributes:
        fields: The columns that the templates need.
        template: The URL template, or None.
        asks: Whether anything asks for columns.
        table: Whether rows come from a table, whose columns need not have a meaning.

    Raises:
        ConfigError: A template can't be read, or two settings exclude each other.
    """

    def __init__(
        self,
        *,
        template: Template | str | None = None,
        json: Any = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        relative: bool = False,
        carry: Carry = "none",
        weight_from: str | None = None,
    ) -> None:
        if json is not None and data is not None:
            raise ConfigError("--json and --data: a request has one body, give one of them")
        self._headers = HeaderFields(headers or {})
        self._body = JsonBody(json) if json is not None else None if data is None else DataBody(data)
        others = (*self._headers.fields, *(() if self._body is None else self._body.fields))
        self.template: Template | None = (
            Template(template, fixed=bool(others)) if isinstance(template, str) else template
        )
        urls = () if self.template is None else self.template.fields
        self.fields: tuple[str, ...] = tuple(dict.fromkeys((*urls, *others)))
        self.method: str = (method or ("GET" if self._body is None else "POST")).upper()
        self.table: bool = False
        self._relative = relative
        self._carry = carry
        self._weight_from = weight_from
        self._whole = self._body is not None or bool(self._headers.fields) or weight_from is not None
        self.asks: bool = self._whole or carry != "none"
        freed = set(_BODIES) & set(self.fields) if self._body is not None else set()  # rule 3
        self._keys = tuple(key for key in KEYS if key not in freed)
        self._seen: dict[str, None] = {}
        if not _is_method(self.method):
            raise ConfigError(f"{method!r} is not an HTTP method")

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that something asks for by name."""
        carried = self._carry if isinstance(self._carry, tuple) else ()
        weight = () if self._weight_from is None else (self._weight_from,)
        return tuple(dict.fromkeys((*self.fields, *carried, *weight)))

    @property
    def wants_all(self) -> bool:
        """Whether every column is carried."""
        return self._carry == "all"

    def carried(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the columns that are carried, of those that there are."""
        if self._carry == "none":
            return ()
        own = self._own()
        if self._carry == "all":
            return tuple(name for name in names if name not in own)
        return tuple(name for name in dict.fromkeys(self._carry) if name not in self._given())

    def check_names(self, names: Iterable[str]) -> None:
        """Check that the columns are there which `carry` and `weight_from` name.

        Raises:
            ValueError: One isn't.
        """
        known = tuple(names)
        for name in self.named[len(self.fields) :]:
            if name not in known:
                raise missing(name, known)

    def check(self, row: Mapping[str, Any]) -> None:
        """Raise what `item` would raise; a row with a plain URL needs no request for that.

        Raises:
            ValueError: The row can't be used.
        """
        if not self._whole:
            if self.template is not None:
                url, quick = self.template.fill(row), not isinstance(row.get("id"), float)
            else:
                size = len(row)
                url, quick = row.get("url", ""), size == 1 or (size == 2 and type(row.get("id")) in _PLAIN_ID)  # noqa: PLR2004
            if quick and type(url) is str and PLAIN_URL.fullmatch(url):
                return
        self.item(row)

    def item(self, row: Mapping[str, Any]) -> Item:
        """Make the request of a row.

        Raises:
            ValueError: The row can't be used.
        """
        if self.template is not None:
            given: str = self.template.fill(row)
            item = Item(self.method, given, id=row.get("id"))
        else:
            request = self._request(row) if self.asks else row
            if "url" not in request:
                raise ValueError("the row has no 'url'")
            given = request["url"]
            item = Item(request.get("method") or self.method, given, **_rest(request))
        item.given, item.columns, item.weight = given, None, 1.0
        if self.asks:
            self._complete(item, row)
        if type(item.id) not in _PLAIN_ID and item.id is not None:
            item.id = _id(item.id)
        if item.method is not self.method and not _is_method(item.method):
            raise ValueError(f"{item.method!r} is not an HTTP method")
        if item.headers:
            checked_headers(item.headers)
        if item.params:
            tuple(flat_params(item.params))
        if not item.target.usable:
            self._check_url(item)
        return item

    def _request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a row that is a request (rule 2)."""
        if self.table:
            return known(row)
        part = {key: row[key] for key in self._keys if key in row}
        return decoding.adapter(Line).validate_python(part)  # type: ignore[no-any-return]

    def _complete(self, item: Item, row: Mapping[str, Any]) -> None:
        self._headers.put(item, row)
        if self._body is not None:
            twice = next((name for name in _BODIES if getattr(item, name) is not None), None)
            if twice is not None:
                raise ValueError(f"the row has {twice!r} and the job has {self._body.name}: a request has one body")
            self._body.put(item, row, self._headers.content_type)
        if self._weight_from is not None:
            item.weight = _weight(self._weight_from, column(row, self._weight_from))
        if self._carry == "all":
            own = self._own()
            item.columns = {name: value for name, value in row.items() if name not in own}
        elif self._carry != "none":
            item.columns = {name: row.get(name) for name in self.carried(())}

    def _given(self) -> set[str]:
        return {"id"} if self.template is not None else {"id", "url"}

    def _own(self) -> set[str]:
        """The columns that the output has already, or that say what the request is (rule 4)."""
        if self.template is not None:
            return {"id"}
        return set(COLUMNS if self.table else self._keys)

    def _check_url(self, item: Item) -> None:
        url = item.url
        if not url.absolute and not url.scheme and self._relative:
            return
        text = redact_broken(str(url))
        if not url.scheme:
            raise ValueError(f"the URL {text!r} has no scheme: write https://{text}, or give --base-url")
        raise ValueError(f"the URL {text!r} is neither http://host/... nor https://host/...")


def known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a table's row that say what the request is.

    Raises:
        ValueError: One is not text.
    """
    found = {}
    for name in COLUMNS:
        value = row.get(name)
        if value is None or value == "":
            continue
        if name != "id" and type(value) is not str:
            value = _said(name, value)
        found[name] = value
    return found


def _said(name: str, value: Any) -> Any:
    if name == "idempotency_key":
        return value if isinstance(value, bool) else as_text(name, value)
    raise ValueError(f"column {name!r} is {shown(name, value)}: give text")


def _rest(request: Mapping[str, Any]) -> dict[str, Any]:
    bodies = () if _BODY.isdisjoint(request) else [name for name in _BODIES if name in request]
    if len(bodies) > 1:
        raise ValueError(f"a request has one body: {' or '.join(bodies)}, not both")
    return {name: value for name, value in request.items() if name not in {"method", "url"}}


def _is_method(text: str) -> bool:
    return bool(text) and _TOKEN.issuperset(text)


def _id(name: Any) -> Any:
    if isinstance(name, float) and not math.isfinite(name):
        raise ValueError(f"the id {name} is not a finite number: give it as text")
    return name if isinstance(name, float) else as_json("id", name)


def _weight(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"column {name!r} is {shown(name, value)}: a weight is a number above 0")
    return number
