"""Three FastAPI applications that use what FastAPI offers, and refuse what their documents don't allow.

`shop` has models: unions, enums, nested and recursive ones, pages, errors, defaults. `files` has what is no JSON: uploads,
downloads, forms, streams, events. `guarded` has security: an API key, bearer tokens, basic, OAuth2 with scopes.
"""

# ruff: noqa: TC003, B006, UP042 - FastAPI reads the annotations, and the defaults, as people write them

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import (
    APIRouter,
    Body,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Response,
    Security,
    UploadFile,
    status,
)  # fmt: skip
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.security import (
    APIKeyHeader,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    SecurityScopes,
)  # fmt: skip
from pydantic import BaseModel, ConfigDict, EmailStr, Field, HttpUrl

try:
    import email_validator  # noqa: F401
except ImportError:
    EmailStr = str  # type: ignore[misc]

T = TypeVar("T")


class Colour(str, Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


class Node(BaseModel):
    name: str = Field(min_length=1, max_length=40, pattern="^[a-z-]+$", examples=["root"])
    children: list[Node] = []


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: UUID
    title: str = Field(alias="itemTitle", description="What people see.")
    price: Decimal = Field(gt=0, examples=["9.99"])
    colour: Colour | None = None
    level: Level = Level.LOW
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    loose: int | str | None = None
    tags: set[str] = set()
    pair: tuple[int, str] = (1, "a")
    extra: dict[str, list[float]] = {}
    made: datetime
    due: date | None = None
    takes: timedelta | None = None
    link: HttpUrl | None = None
    email: EmailStr | None = None
    anything: Any = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: int
    next: str | None = None


class Problem(BaseModel):
    code: Literal["gone", "taken"]
    detail: str


class Filter(BaseModel):
    limit: int = Field(10, gt=0, le=100)
    order: Literal["asc", "desc"] = "asc"
    tags: list[str] = []


class Login(BaseModel):
    username: str
    password: str
    scopes: list[str] = []


KEY, BEARER, BASIC = APIKeyHeader(name="X-Key"), HTTPBearer(), HTTPBasic()
OAUTH = OAuth2PasswordBearer(tokenUrl="token", scopes={"read": "Read it.", "write": "Write it."})


def scoped(scopes: SecurityScopes, token: Annotated[str, Depends(OAUTH)]) -> str:
    return token


ITEM = {"id": "0b8f3f4e-9a53-4d53-8d6d-3a2c1c5b7a10", "itemTitle": "a", "price": "9.99", "made": "2024-01-02T03:04:05Z"}


def shop() -> FastAPI:
    """Return an application of models."""
    app = FastAPI(title="Shop", version="1.0", openapi_tags=[{"name": "items", "description": "What is sold."}])
    router = APIRouter(
        prefix="/items", tags=["items"], responses={404: {"model": Problem, "description": "No such item."}}
    )

    @router.get("/", response_model=Page[Item], summary="List the items")
    def list_items(filters: Annotated[Filter, Query()], q: Annotated[str | None, Query(max_length=20)] = None):
        return {"items": [ITEM], "total": 1}

    @router.post("/", status_code=status.HTTP_201_CREATED, responses={409: {"model": Problem}})
    def make_item(item: Item, x_trace: Annotated[str | None, Header()] = None) -> Item:
        return item

    @router.get("/{item_id}")
    def one_item(item_id: UUID, session: Annotated[str | None, Cookie()] = None) -> Item:
        return Item.model_validate(ITEM)

    @router.put("/{item_id}")
    def replace_item(item_id: UUID, item: Annotated[Item, Body(embed=True)], why: Annotated[str, Body()] = "") -> Item:
        return item

    @router.delete("/{item_id}", status_code=204)
    def remove_item(item_id: UUID) -> Response:
        return Response(status_code=204)

    @router.patch("/{item_id}/level/{level}", deprecated=True)
    def set_level(item_id: UUID, level: Annotated[Level, Path()]) -> dict[str, Level]:
        """Set the level. Use PUT instead."""
        return {"level": level}

    app.include_router(router)

    @app.post("/pets", tags=["pets"], response_model=Cat | Dog)
    def make_pet(pet: Annotated[Cat | Dog, Body(discriminator="kind")]):
        return pet

    @app.post("/tree", tags=["pets"])
    def mirror(node: Node) -> Node:
        return node

    @app.get("/many")
    def many(
        ids: Annotated[list[int], Query()],
        colours: Annotated[list[Colour], Query()] = [],
        x_names: Annotated[list[str], Header()] = [],
    ) -> list[int]:
        return ids

    @app.get("/gone", responses={410: {"model": Problem}})
    def gone() -> None:
        raise HTTPException(410, "gone")

    @app.post("/bulk")
    def bulk(items: list[Item]) -> dict[UUID, Item]:
        return {item.id: item for item in items}

    return app


def files() -> FastAPI:
    """Return an application of uploads, downloads, forms and streams."""
    app = FastAPI(title="Files", version="1.0", servers=[{"url": "/", "description": "here"}])

    @app.post("/upload")
    def upload(file: UploadFile, note: Annotated[str, Form()], count: Annotated[int, Form(ge=0)] = 0) -> dict[str, Any]:
        return {"size": len(file.file.read()), "note": note, "count": count}

    @app.post("/uploads")
    def uploads(files: list[UploadFile], extra: Annotated[bytes | None, File()] = None) -> list[str | None]:
        return [each.filename for each in files]

    @app.post("/login")
    def login(data: Annotated[Login, Form()]) -> Login:
        return data

    @app.get("/text", response_class=PlainTextResponse)
    def text() -> str:
        return "text"

    @app.get(
        "/download",
        responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
        response_class=Response,
    )
    def download() -> Response:
        return Response(b"abc", media_type="application/octet-stream")

    @app.get(
        "/events",
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
        response_class=StreamingResponse,
    )
    def events() -> StreamingResponse:
        return StreamingResponse(iter(["data: 1\n\n", "data: 2\n\n"]), media_type="text/event-stream")

    @app.get(
        "/lines",
        responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "object"}}}}},
        response_class=StreamingResponse,
    )
    def lines() -> StreamingResponse:
        return StreamingResponse(iter(['{"a": 1}\n', '{"a": 2}\n']), media_type="application/x-ndjson")

    @app.put("/raw/{path:path}")
    def raw(path: str, body: Annotated[bytes, Body(media_type="application/octet-stream")]) -> int:
        return len(body)

    return app


def guarded() -> FastAPI:
    """Return an application of security."""
    app = FastAPI(title="Guarded", version="1.0")

    @app.get("/key")
    def with_key(value: Annotated[str, Security(KEY)]) -> str:
        return value

    @app.get("/bearer")
    def with_bearer(found: Annotated[Any, Security(BEARER)]) -> str:
        return found.credentials

    @app.get("/basic")
    def with_basic(found: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> str:
        return found.username

    @app.get("/scoped")
    def with_scopes(token: Annotated[str, Security(scoped, scopes=["read"])]) -> str:
        return token

    @app.get("/both")
    def with_both(value: Annotated[str, Security(KEY)], found: Annotated[Any, Security(BEARER)]) -> str:
        return value

    @app.get("/open")
    def without() -> str:
        return "open"

    return app


APPS = {"shop": shop, "files": files, "guarded": guarded}
