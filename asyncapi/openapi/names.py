"""Choose Python names for what a document names: readable, valid, and each of them once.

Rules:
1. A name keeps the document's words, in any script: "größe" stays. Python normalises identifiers by NFKC, so do we.
2. A name that Python or the generated file needs gets an underscore (`list_`), or for a class the word `Model`.
3. The second of two equal names gets a number, in the document's order.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPLIT = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def split(text: str) -> list[str]:
    """Return the names that stand in a text, separated by spaces."""
    return text.split()


IMPORTED: frozenset[str] = frozenset(
    split("""
    API Annotated Any ApiKey Base64Bytes Base64Str BaseModel Basic Bearer Body Callable ClassVar Client ConfigDict
    Content Cookie Credential Cursor Decimal Dict Digest Enum Env Events Field File FileContent Form Generic Header
    IPv4Address IPv6Address IntEnum Iterable Iterator JSONLines LinkHeader List Literal Mapping Model NextUrl
    OAuth2AuthorizationCode OAuth2ClientCredentials OAuth2DeviceCode Offset Option Optional PageNumber Pages Path Query
    Response RootModel Self SerializationInfo SerializerFunctionWrapHandler Set StrEnum Stream Text TypeAlias
    ServerSentEvent TypeAliasType TypeVar TypedDict URL UUID Union Upload date date_aliased datetime datetime_aliased
    delete deprecated get get_origin model_serializer operation patch post put time time_aliased timedelta warnings
    Together
    """)
)
"""Names that a generated file may import or define for its own use."""

_TYPES = frozenset(split("bool bytes classmethod dict float int list property set staticmethod str super tuple type"))
_OF_API = frozenset({"aclose", "client", "SERVER", "SERVERS", "server"})
_KEYWORDS = frozenset([*keyword.kwlist, *keyword.softkwlist]) - {"type", "_"}


def words(text: str) -> list[str]:
    """Split a name into its words: "petId", "pet-id" and "PetID" have the same two."""
    found = _SPLIT.findall(unicodedata.normalize("NFKC", text))
    return [word for part in found for word in _CAMEL.split(part)]


_ONE_WORD = {
    "OAuth": "Oauth",
    "oAuth": "oauth",
    "OpenID": "Openid",
    "GraphQL": "Graphql",
    "GitHub": "Github",
    "IPv": "Ipv",
}
_PLURAL = re.compile(r"[A-Z]{2,}s(?![a-z])")  # IDs, URLs
_SIGNS = {
    "+": "plus", "-": "minus", "*": "star", "<": "less", ">": "greater", "=": "equal", "!": "not", "%": "percent",
    "/": "slash", "&": "and", "|": "or", "~": "tilde", "^": "caret", "#": "hash", "@": "at", "$": "dollar", ".": "dot",
    ",": "comma", ":": "colon", ";": "semicolon", "?": "question", "_": "underscore", " ": "space",
}  # fmt: skip


def member_names(values: Iterable[str | int]) -> list[str]:
    """Return the names of an enum's members, each once: `IN_PROGRESS`, `PLUS_1` for "+1", `EMPTY` for ""."""
    scope = Names(frozenset({"_", "MRO"}))
    return [scope.take(_member(value)) for value in values]


def _member(value: str | int) -> str:
    if isinstance(value, int):
        return f"VALUE_{value}" if value >= 0 else f"VALUE_MINUS_{-value}"
    if not value:
        return "EMPTY"
    if not words(value):
        value = " ".join(_SIGNS.get(one, "") for one in value)
    elif value[0] in "+-!<>=":
        value = f"{_SIGNS[value[0]]} {value[1:]}"
    return snake(value).strip("_").upper() or "VALUE"


def spelled(wire: Iterable[str]) -> dict[str, str]:
    """Return the names of those fields that would be cut in the middle of a word: `userIDs` is `user_ids`."""
    every = sorted(set(wire))
    names = [snake(name) for name in every]
    counts = Counter(names)
    return {
        name: free
        for name, free in zip(every, names, strict=True)
        if (_PLURAL.search(name) or any(word in name for word in _ONE_WORD))
        and counts[free] == 1
        and not free.endswith("_")
    }


def snake(text: str, instead: str = "value") -> str:
    """Write a name as a parameter or method has it: `pet_id`.

    Args:
        text: The document's name.
        instead: The name, or its beginning, where the document's can't begin one.
    """
    for said, word in _ONE_WORD.items():
        text = text.replace(said, word)
    name = "_".join(words(_PLURAL.sub(lambda found: found[0].capitalize(), text))).lower()
    name = unicodedata.normalize("NFKC", name)
    if not name:
        return instead
    if not name.isidentifier():
        name = f"{instead}_{name}"
        name = "".join(one if f"a{one}".isidentifier() else "_" for one in name)
    return f"{name}_" if name in _KEYWORDS else name


def pascal(text: str, instead: str = "Model") -> str:
    """Write a name as a class has it: `PetId`; capitals inside words stay."""
    name = "".join(word[:1].upper() + word[1:] for word in words(text))
    name = unicodedata.normalize("NFKC", name)
    if not name.isidentifier():
        name = "".join(one for one in f"{instead}{name}" if f"a{one}".isidentifier())
    return name


def short_names(named: Iterable[str]) -> dict[str, str]:
    """The last part of dotted names, where it is unambiguous: `io.k8s.api.core.v1.Pod` is a `Pod`."""
    tails: dict[str, list[str]] = {}
    for name in named:
        tails.setdefault(pascal(name.rpartition(".")[2]), []).append(name)
    return {
        name: name.rpartition(".")[2] if len(names) == 1 and name.rpartition(".")[2] else name
        for names in tails.values()
        for name in names
    }


def singular(word: str) -> str:
    """Return the name of one of several: `Pets` holds each a `Pet`; a word with no plural gets `Item`."""
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 - "ties", "pies"
        return f"{word[:-3]}y"
    if word.endswith(("ses", "xes", "ches")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else f"{word}Item"


class Names:
    """Names of one scope, each of them once.

    Args:
        taken: Names that are not free.
        suffix: What a name gets that is not free from the beginning.
    """

    def __init__(self, taken: frozenset[str], suffix: str = "_") -> None:
        self._reserved = taken
        self._suffix = suffix
        self._used: set[str] = set()

    def is_free(self, name: str) -> bool:
        """Whether nothing has the name yet."""
        return (
            name not in self._used and (name if name not in self._reserved else name + self._suffix) not in self._used
        )

    def take(self, name: str) -> str:
        """Return the name, or the nearest that is free."""
        if name in self._reserved:
            name += self._suffix
        made, count = name, 1
        while made in self._used or made in self._reserved:
            count += 1
            apart = made[:1].islower() or (name.isupper() and "_" in name)
            made = f"{name}{'_' if apart and not name.endswith('_') else ''}{count}"
        self._used.add(made)
        return made


def class_names() -> Names:
    """The scope of a module's classes."""
    exceptions = {name for name in dir(builtins) if name[:1].isupper()}
    return Names(IMPORTED | exceptions | _KEYWORDS, "Model")


def method_names() -> Names:
    """The scope of a client's methods: their decorators and annotations look names up in it, too."""
    return Names(IMPORTED | _TYPES | _OF_API | _KEYWORDS)


def parameter_names() -> Names:
    """The scope of a method's parameters."""
    return Names(_KEYWORDS | {"self", "cls"})
