"""`/users`: a thousand users that never change, and those that you create.

1. Users 1 to 1000 come with the server, always the same, save for 404, which does not exist. PUT, PATCH and DELETE on
   them respond as if they had worked and change nothing, so a sample works whenever and however often it is run.
2. What POST (or PUT on a higher id) creates is kept until `POST /reset`, and can be read, changed and deleted.
3. A POST that is repeated with its Idempotency-Key gets the first response again and creates nobody.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from asyncapi.serve.items import link_header, numbered_page, page_links, pages_of
from asyncapi.serve.query import json_object, whole, whole_in
from asyncapi.serve.replies import Refusal, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

_BUILT_IN = 1_000
_MISSING = 404
_PER_PAGE = 10
_HIGHEST = 10**12
_MANY = 100_000
_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Margaret", "Dennis")
_TEAMS = ("red", "blue", "green")
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


def user(number: int) -> dict[str, Any]:
    """The user of an id, as it comes with the server."""
    name = _NAMES[(number - 1) % len(_NAMES)]
    return {
        "id": number,
        "name": name if number <= len(_NAMES) else f"{name} {number}",
        "email": f"{name.lower()}{number}@example.com",
        "team": _TEAMS[(number - 1) % len(_TEAMS)],
        "active": number % 2 == 1,
    }


class Users:
    """The users of one server.

    Attributes:
        created: Those that requests have created, by id.
    """

    def __init__(self) -> None:
        self.created: dict[int, dict[str, Any]] = {}
        self._next = _BUILT_IN + 1
        self._by_key: dict[str, tuple[dict[str, Any], Reply]] = {}

    async def __call__(self, request: web.BaseRequest, rest: str) -> Reply:
        """The response to any method that `/users` or `/users/{id}` has."""
        method = request.method
        if not rest:
            if method == "POST":
                return await self._create(request)
            return self._listed(request) if method in {"GET", "HEAD"} else _not_allowed(method, "GET, HEAD, POST")
        number = whole(rest, "a user's id", 1, _HIGHEST)
        if method == "PUT":
            return await self._replace(request, number)
        if method == "POST":
            return _not_allowed(method, "GET, HEAD, PUT, PATCH, DELETE")
        known = self._find(number)
        if method == "PATCH":
            return self._keep(number, known | await json_object(request, "a user"))
        if method == "DELETE":
            self.created.pop(number, None)
            return Reply(204)
        return json_reply(known)

    def _find(self, number: int) -> dict[str, Any]:
        if number <= _BUILT_IN and number != _MISSING:
            return user(number)
        if number not in self.created:
            raise Refusal(404, f"no user {number}: there are 1 to {_BUILT_IN}, save {_MISSING}, and those you create")
        return self.created[number]

    def _listed(self, request: web.BaseRequest) -> Reply:
        query = request.query
        teams = set(query.getall("team", ()))
        found = [each for each in self._all() if not teams or each.get("team") in teams]
        headers = [("X-Total-Count", str(len(found)))]
        if "offset" in query or "limit" in query:
            start, size = whole_in(query, "offset", 0, 0, _HIGHEST), whole_in(query, "limit", _PER_PAGE, 1, _BUILT_IN)
        else:
            page, size = numbered_page(query, _PER_PAGE)
            start = (page - 1) * size
            headers.append(link_header(page_links(request, page, pages_of(len(found), size))))
        return json_reply(found[start : start + size], headers=headers)

    def _all(self) -> list[dict[str, Any]]:
        return [*_built_in(), *(self.created[number] for number in sorted(self.created))]

    async def _create(self, request: web.BaseRequest) -> Reply:
        key, data = request.headers.get("Idempotency-Key"), await _fields(request)
        if key in self._by_key:
            seen, reply = self._by_key[key]
            if seen != data:
                raise Refusal(422, f"the Idempotency-Key {key!r} was used with another body: use a new key")
            return reply
        number = self._next
        while number in self.created:  # a PUT may have taken it
            number += 1
        reply = self._keep(number, data, created=True)
        self._next = number + 1
        if key:
            self._by_key[key] = data, reply
        return reply

    async def _replace(self, request: web.BaseRequest, number: int) -> Reply:
        data = await json_object(request, "a user")
        created = number not in self.created and (number > _BUILT_IN or number == _MISSING)
        return self._keep(number, data, created=created)

    def _keep(self, number: int, data: Mapping[str, Any], *, created: bool = False) -> Reply:
        kept = {**user(number), **data, "id": number}
        if number > _BUILT_IN or number == _MISSING:
            if len(self.created) >= _MANY and number not in self.created:
                raise Refusal(507, f"the server holds {_MANY} users of yours and no more: POST /reset")
            self.created[number] = kept
        return json_reply(kept, 201, [("Location", f"/users/{number}")]) if created else json_reply(kept)


@cache
def _built_in() -> tuple[dict[str, Any], ...]:
    return tuple(user(number) for number in range(1, _BUILT_IN + 1) if number != _MISSING)


async def _fields(request: web.BaseRequest) -> dict[str, Any]:
    """What a new user is sent as: a JSON object, or the text fields of a form."""
    if request.content_type not in _FORMS:
        return await json_object(request, "a user")
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _not_allowed(method: str, allow: str) -> Reply:
    return json_reply({"error": f"{method} is not for this endpoint"}, 405, [("Allow", allow)])
