"""Lay out a module: its imports, the models, and the client with its sections."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.openapi.docstrings import WIDTH, docstring, first_sentence, plain, sentence
from asyncapi.openapi.elsewhere import origins_of
from asyncapi.openapi.models import MODEL, MODEL_IMPORTS
from asyncapi.openapi.names import snake, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Document, Server
    from asyncapi.openapi.methods import Method
    from asyncapi.openapi.models import Models
    from asyncapi.openapi.security import Way

SECTION = re.compile(r"^\s*# --- .* -+$")
_KEPT = "Add what you like: another run keeps it, and what you have changed."
PRAGMA = '# mypy: disable-error-code="empty-body"'

# Name -> module, of what methods and ways of making a client are written with.
HOMES = {
    **dict.fromkeys(
        split("""
        API ApiKey Basic Bearer Body Client Cookie Cursor Digest Env Events File Form Header JSONLines LinkHeader
        NextUrl OAuth2AuthorizationCode OAuth2ClientCredentials Offset Option PageNumber Pages Path Query Response
        ServerSentEvent Stream Together Upload delete get operation patch post put
        """),
        "asyncapi",
    ),
    **dict.fromkeys(["Content", "FileContent"], "asyncapi.types"),
    "Credential": "asyncapi.credentials",
    **dict.fromkeys(["Annotated", "Any", "ClassVar", "Literal", "Self", "TypeAlias", "Union"], "typing"),
    **dict.fromkeys(["date", "datetime", "time"], "datetime"),
    "Mapping": "collections.abc",
    "UUID": "uuid",
    "Base64Bytes": "pydantic",
    "deprecated": "typing_extensions",
    "URL": "yarl",
}


@dataclass(frozen=True)
class Draft:
    """All that is in a client."""

    document: Document
    name: str
    models: Models
    methods: list[Method]
    ways: list[Way]
    schemas: Schemas

    @property
    def definitions(self) -> str:
        """The source of the models, or nothing."""
        rebuilt = "\n".join(self.models.rebuilt)
        parts = [MODEL.strip(), *self.models.definitions.values(), *([rebuilt] if rebuilt else [])]
        return "\n\n\n".join(parts) if self.models.definitions else ""

    @property
    def wanted(self) -> dict[str, set[str]]:
        """What the models import: module -> names."""
        made = {home: set(names) for home, names in self.models.imports.items()}
        for home, names in MODEL_IMPORTS.items() if self.models.definitions else ():
            made.setdefault(home, set()).update(names)
        return made

    @property
    def client(self) -> str:
        """The source of the client's class."""
        return _client(self.document, self.name, self.methods, self.ways)


def module(draft: Draft) -> str:
    """Write the whole source of a module, without its formatting."""
    body = "\n\n\n".join(part for part in (draft.definitions, draft.client) if part)
    return _source(header(draft.document), PRAGMA, imports_of(body, draft.wanted), body)


def package(draft: Draft) -> dict[str, str]:
    """Write the sources of a package, without their formatting: file -> source."""
    title = draft.document.title or "an API"
    names = dict.fromkeys(draft.models.definitions, ".models")
    made = {}
    if draft.definitions:
        about = docstring(f"The models of {title}, written by `asyncapi generate`.\n\n{_KEPT}", 0)
        made["models.py"] = _source(about, "", imports_of(draft.definitions, draft.wanted), draft.definitions)
    client = draft.client
    made["client.py"] = _source(header(draft.document), PRAGMA, imports_of(client, {}, names), client)
    public = f"from .client import {draft.name}\n\n__all__ = [{draft.name!r}]"
    made["__init__.py"] = f"{header(draft.document)}\n\n{public}\n"
    return made


def _source(about: str, pragma: str, imports: str, body: str) -> str:
    parts = [about, pragma, "from __future__ import annotations", imports, body]
    return "\n\n".join(part for part in parts if part) + "\n"


def header(document: Document) -> str:
    """Write the docstring of the module."""
    version = f" {document.version}" if document.version else ""
    text = f"A client of {document.title or 'an API'}{version}, written by `asyncapi generate`."
    text += f"\n\n{_KEPT}"
    return docstring(text, 0)


def imports_of(body: str, wanted: Mapping[str, set[str]], homes: Mapping[str, str] = HOMES) -> str:
    """Write the imports of a source: those that are wanted and used, and those of names that it uses."""
    tree = ast.parse(body)
    # What is read, not what is named: a field called `date` imports nothing.
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, set[str]] = {}
    for home, names in wanted.items():
        kept = {name for name in names if name.rpartition(" as ")[2] in used}
        found.setdefault(home, set()).update(kept)
    known = {name.rpartition(" as ")[2] for names in found.values() for name in names}
    for name in used - defined - known:
        if (at := homes.get(name) or HOMES.get(name)) is not None:
            found.setdefault(at, set()).add(name)
    return written({home: names for home, names in found.items() if names})


def written(imports: Mapping[str, set[str]]) -> str:
    """Write imports in the order of isort: the standard library's, others', the package's own."""
    groups: list[list[str]] = [[], [], []]
    for home in sorted(imports):
        at = 2 if home.startswith(".") else 0 if home.partition(".")[0] in sys.stdlib_module_names else 1
        names = ", ".join(sorted(imports[home], key=_order))
        groups[at].append(f"from {home} import {names}")
    return "\n\n".join("\n".join(group) for group in groups if group)


def _order(name: str) -> tuple[int, str, str]:
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name.lower(), name


# --- the client -------------------------------------------------------------------------------------------------------


def _client(document: Document, name: str, methods: list[Method], ways: list[Way]) -> str:
    parts = [_class_docstring(document, name, ways), *_servers(document), *(_way(way, document) for way in ways)]
    titles = {tag.name: tag for tag in document.tags}
    sections: dict[str, list[Method]] = {tag: [] for tag in titles}
    for method in methods:
        sections.setdefault(method.section, []).append(method)
    for tag, found in sections.items():
        if not found:
            continue
        if len([one for one in sections.values() if one]) > 1:
            parts.append(section(tag or "others", titles[tag].description if tag in titles else ""))
        parts += [method.source for method in found]
    return f"class {name}(API):\n" + "\n\n".join(part for part in parts if part)


def section(tag: str, said: str = "") -> str:
    """Write the line above the methods of a tag."""
    title = " ".join(plain(tag).split()) or "others"
    about = first_sentence(said).rstrip(".") if said else ""
    if about and about.lower() != title.lower() and len(title) + len(about) < WIDTH - 20:
        title = f"{title}: {about}"
    title = title[: WIDTH - 20]
    return f"    # --- {title} {'-' * max(3, WIDTH - len(title) - 11)}"


def _class_docstring(document: Document, name: str, ways: list[Way]) -> str:
    title = sentence(document.title) or f"{name}."
    text = f"{title}\n\n{document.description.strip()}" if document.description.strip() else title
    notes = []
    if ways:
        first = ways[0]
        given = ", ".join(one.partition(":")[0] for one in first.parameters if "=" not in one)
        base = "" if _base(document) else ', base_url="https://..."'
        notes.append(f"async with {name}.{first.name}({given}{base}) as api: ...")
    made = "\n\n".join([text, *(f"    {note}" for note in notes)])
    return docstring(made, 4)


def _base(document: Document) -> str:
    """The expression of the default base URL, or nothing where the document names none."""
    if not document.servers or "://" not in document.servers[0].url:
        return ""
    return "SERVER"


def _servers(document: Document) -> list[str]:
    if not _base(document):
        return []
    usable = [one for one in document.servers if "://" in one.url]
    made = [f"    SERVER: ClassVar[str] = {usable[0].url!r}"]
    if len(usable) > 1:
        rows = "\n".join(
            f"        {one.url!r}," + (f"  # {_comment(one)}" if one.description else "") for one in usable
        )
        made.append(f"    SERVERS: ClassVar[tuple[str, ...]] = (\n{rows}\n    )")
    with_variables = next((one for one in usable if one.variables and "{" in one.template), None)
    if with_variables is not None:
        made.append(_server(with_variables))
    made.append(
        "    def __init__(self, client: Client | str | URL = SERVER) -> None:\n"
        '        """Take a client, or the base URL of a new one."""\n'
        "        super().__init__(client)"
    )
    return made


def _comment(server: Server) -> str:
    return " ".join(plain(server.description).split())[: WIDTH // 2]


def _server(server: Server) -> str:
    """Write a method that fills the variables of a server's URL."""
    parameters, fill = [], []
    said = {}
    for wire, facts in server.variables.items():
        name = snake(wire)
        choices = facts.get("enum") if isinstance(facts.get("enum"), list) else None
        kind = f"Literal[{', '.join(repr(str(one)) for one in choices)}]" if choices else "str"
        default = str(facts.get("default", ""))
        parameters.append(f"{name}: {kind} = {default!r}" if "default" in facts else f"{name}: {kind}")
        fill.append(f"{wire}={name}" if wire.isidentifier() else f"**{{{wire!r}: {name}}}")
        said[name] = str(facts.get("description") or "")
    head = f"    @staticmethod\n    def server({', '.join(parameters)}) -> str:\n"
    text = '        """Return the base URL of a server."""\n'
    return f"{head}{text}        return {server.template!r}.format({', '.join(fill)})"


def _way(way: Way, document: Document) -> str:
    base = f"base_url: str = {_base(document)}" if _base(document) else "base_url: str"
    required = [one for one in way.parameters if "=" not in one]
    rest = [one for one in way.parameters if "=" in one]
    signature = ", ".join(["cls", *required, "*", *rest, base])
    told = "\n".join(f"            {name}: {said}" for name, said in way.arguments.items())
    opening = docstring(way.said, 8)[: -len('"""')].rstrip()
    args = f"\n\n        Args:\n{told}\n            base_url: Of the API." if told else ""
    credential = way.credential
    if others := origins_of(document):
        places = ", ".join(["str(URL(base_url).origin())", *map(repr, others)])
        credential = f"dict.fromkeys([{places}], {credential})"
    return (
        f'    @classmethod\n    def {way.name}({signature}) -> Self:\n{opening}{args}\n        """\n'
        f"        return cls(Client(base_url, auth={credential}))"
    )
