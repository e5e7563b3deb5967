"""Users: those that come with the server never change, those that a client creates are its own."""

from __future__ import annotations

import re

import aiohttp
import pytest
from yarl import URL

from asyncapi.serve import users


async def user(http, number):
    answer = await http.get(f"/users/{number}")
    assert answer.status == 200
    return await answer.json()


async def test_a_user_is_always_the_same(http):
    ada = {"id": 1, "name": "Ada", "email": "ada1@example.com", "team": "red", "active": True}
    assert await user(http, 1) == ada
    assert await user(http, 11) == ada | {"id": 11, "name": "Ada 11", "email": "ada11@example.com", "team": "blue"}


@pytest.mark.parametrize("number", [404, 1001, 404404])
async def test_a_user_that_does_not_exist_is_404_and_says_who_does(http, number):
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        answer = await http.request(method, f"/users/{number}", json={})
        assert answer.status == 404
    answer = await http.get(f"/users/{number}")
    assert f"no user {number}: there are 1 to 1000" in (await answer.json())["error"]


@pytest.mark.parametrize("name", ["x", "0", "-1", "1.5", "9" * 40, "1/2"])
async def test_an_id_that_is_no_whole_number_gets_400_and_the_reason(http, name):
    answer = await http.get(f"/users/{name}")
    assert answer.status == 400
    assert "a user's id is a whole number" in (await answer.json())["error"]


async def test_the_list_is_an_array_whose_link_headers_lead_to_every_user_once(http):
    ids, url = [], "/users?per_page=300"
    while url:
        answer = await http.get(url)
        assert answer.headers["X-Total-Count"] == "999"
        ids += [each["id"] for each in await answer.json()]
        links = {rel: URL(link) for link, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}
        url = links.get("next")
    assert ids == [number for number in range(1, 1001) if number != 404]


async def test_without_a_query_the_list_is_its_first_ten(http):
    assert [each["id"] for each in await (await http.get("/users")).json()] == list(range(1, 11))
    assert [each["id"] for each in await (await http.get("/users/")).json()] == list(range(1, 11))


async def test_the_list_can_be_cut_by_offset_and_by_team(http):
    cut = await (await http.get("/users?offset=2&limit=3")).json()
    assert [each["id"] for each in cut] == [3, 4, 5]
    some = await (await http.get("/users?team=red&team=blue&per_page=4")).json()
    assert [each["id"] for each in some] == [1, 2, 4, 5]
    assert await (await http.get("/users?team=nobody")).json() == []


async def test_changes_to_a_user_that_comes_with_the_server_are_answered_and_not_kept(http):
    before = await user(http, 1)
    for method in ("PUT", "PATCH"):
        answer = await http.request(method, "/users/1", json={"name": "Grace", "id": 7})
        assert answer.status == 200
        assert await answer.json() == before | {"name": "Grace"}
    answer = await http.delete("/users/1")
    assert (answer.status, await answer.read()) == (204, b"")
    assert await user(http, 1) == before


async def test_a_created_user_can_be_read_changed_replaced_and_deleted(http):
    answer = await http.post("/users", json={"id": 0, "name": "Linus"})
    made = await answer.json()
    assert (answer.status, made["id"], made["name"]) == (201, 1001, "Linus")
    place = answer.headers["Location"]
    assert await (await http.get(place)).json() == made
    await http.patch(place, json={"team": "blue"})
    assert await (await http.get(place)).json() == made | {"team": "blue"}
    await http.put(place, json={"name": "Guido"})
    assert (await user(http, 1001))["name"] == "Guido"
    assert (await (await http.get("/users?offset=999")).json())[0]["name"] == "Guido"
    assert (await http.delete(place)).status == 204
    assert (await http.get(place)).status == 404


async def test_every_created_user_has_an_id_of_its_own(http):
    assert (await http.put("/users/1002", json={"name": "Put"})).status == 201
    ids = [(await (await http.post("/users/", json={"name": "New"})).json())["id"] for _ in range(3)]
    assert ids == [1001, 1003, 1004]
    assert (await user(http, 1002))["name"] == "Put"


async def test_a_repeat_with_the_same_key_creates_nobody(http):
    first, second = [
        await http.post("/users", json={"name": "Ada"}, headers={"Idempotency-Key": "k-1"}) for _ in range(2)
    ]
    assert first.status == second.status == 201
    assert await first.json() == await second.json()
    other = await http.post("/users", json={"name": "Eve"}, headers={"Idempotency-Key": "k-1"})
    assert other.status == 422
    assert (await http.get("/users/1002")).status == 404


async def test_a_form_creates_a_user_of_its_fields(http):
    assert (await (await http.post("/users", data={"name": "Ada"})).json())["name"] == "Ada"
    form = aiohttp.FormData({"name": "Grace"})
    form.add_field("photo", b"...", filename="grace.png")
    assert (await (await http.post("/users", data=form)).json())["name"] == "Grace"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"Ada"'])
async def test_a_user_that_is_no_json_object_gets_400(http, body):
    for method, path in (("POST", "/users"), ("PUT", "/users/1"), ("PATCH", "/users/1")):
        answer = await http.request(method, path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400
        assert "a user is a JSON object" in (await answer.json())["error"]


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/users"), ("PUT", "/users"), ("POST", "/users/1")])
async def test_another_method_gets_405_and_those_that_there_are(http, method, path):
    answer = await http.request(method, path, json={})
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


async def test_a_reset_forgets_created_users(http):
    await http.post("/users", json={"name": "Ada"})
    await http.post("/reset")
    assert (await http.get("/users/1001")).status == 404


async def test_there_is_an_end_to_what_the_server_keeps(http, monkeypatch):
    monkeypatch.setattr(users, "_MANY", 2)
    statuses = [(await http.post("/users", json={"name": "Ada"})).status for _ in range(3)]
    assert statuses == [201, 201, 507]
    assert (await http.patch("/users/1001", json={"name": "Eve"})).status == 200


async def test_a_versioned_path_is_the_same(http, server):
    assert await (await http.get("/v1/users/1")).json() == await user(http, 1)
    assert (await http.get("/v1/nothing-here")).status == 404
    assert server.stats.by_prefix["/users"] == 2
