"""A Strawberry server on `127.0.0.1:PORT`: `python strawberry_app.py PORT [batch]`."""

import json
import sys
from collections.abc import AsyncGenerator

import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.file_uploads import Upload
from strawberry.schema.config import StrawberryConfig

NAMES = ["Ada", "Grace", "Edsger"]
SEEN: list[dict[str, object]] = []
COUNT = [0]


@strawberry.type
class Post:
    title: str


@strawberry.type
class User:
    id: strawberry.ID
    name: str
    posts: list[Post]


def person(number: int) -> User:
    return User(id=strawberry.ID(str(number)), name=NAMES[number], posts=[Post(title=f"of {NAMES[number]}")])


@strawberry.type
class Query:
    @strawberry.field
    def user(self, id: strawberry.ID) -> User | None:  # noqa: A002 - the field's name
        return person(int(id)) if int(id) < len(NAMES) else None

    @strawberry.field
    def users(self) -> list[User]:
        return [person(number) for number in range(len(NAMES))]

    @strawberry.field
    def fail(self) -> str | None:
        raise GraphQLError("it failed")

    @strawberry.field
    def fail_non_null(self) -> str:
        raise GraphQLError("it failed")

    @strawberry.field
    def coded(self, code: str, seconds: float | None = None) -> str | None:
        extensions = {"code": code} if seconds is None else {"code": code, "retryAfter": seconds}
        raise GraphQLError("coded", extensions=extensions)

    @strawberry.field
    def who(self, info: strawberry.Info) -> str | None:
        if info.context["request"].headers.get("authorization") != "Bearer good":
            raise GraphQLError("who are you?", extensions={"code": "UNAUTHENTICATED"})
        return "you"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def count(self, by: int = 1) -> int:
        COUNT[0] += by
        return COUNT[0]

    @strawberry.mutation
    def fail_after(self) -> int:
        COUNT[0] += 1
        raise GraphQLError("too late", extensions={"code": "UNAUTHENTICATED"})

    @strawberry.mutation
    async def upload(self, file: Upload) -> str:
        return f"{file.filename}: {(await file.read()).decode()}"

    @strawberry.mutation
    async def uploads(self, files: list[Upload]) -> list[str]:
        return [(await file.read()).decode() for file in files]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def countdown(self, from_: int = strawberry.argument(name="from")) -> AsyncGenerator[int, None]:  # type: ignore[assignment]
        for left in range(from_, -1, -1):
            yield left


class Counted:
    """Notes each request, and says at /stats what there were."""

    def __init__(self, app: object) -> None:
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] != "/stats":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            url = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
            SEEN.append({"method": scope["method"], "url": url, "headers": headers})
        await self.app(scope, receive, send)


async def stats(_):
    return JSONResponse(json.loads(json.dumps(SEEN)))


def main() -> None:
    batching = {"max_operations": 10} if "batch" in sys.argv else None
    schema = strawberry.Schema(Query, Mutation, Subscription, config=StrawberryConfig(batching_config=batching))
    graphql = GraphQL(schema, multipart_uploads_enabled=True)
    app = Starlette(
        routes=[
            Route("/stats", stats),
            Route("/graphql", graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", graphql),
        ]
    )
    uvicorn.run(Counted(app), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")


if __name__ == "__main__":
    main()
