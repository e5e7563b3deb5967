"""The APIs in the shape of well-known ones: a language model's, and a code host's."""

from __future__ import annotations

import json

import pytest


def chat(text, model="small-1", **options):
    return {"model": model, "messages": [{"role": "user", "content": text}], **options}


async def complete(http, body, query=""):
    return await http.post(f"/chat/completions{query}", json=body)


async def test_a_completion_repeats_the_last_message_and_tells_its_limits(http):
    answer = await complete(http, chat("Hi there"))
    assert answer.status == 200
    assert (await answer.json())["choices"][0]["message"] == {"role": "assistant", "content": "You said: Hi there"}
    assert answer.headers["x-ratelimit-remaining-tokens"] == "799000"


async def test_a_streamed_completion_comes_word_by_word_and_says_when_it_is_done(http):
    answer = await complete(http, chat('Say "hi"', stream=True), "?pause=0")
    assert answer.content_type == "text/event-stream"
    data = [event.removeprefix("data: ") for event in (await answer.text()).strip().split("\n\n")]
    assert data.pop() == "[DONE]"
    assert "".join(json.loads(each)["choices"][0]["delta"]["content"] for each in data) == 'You said: Say "hi"'


async def test_a_busy_model_refuses_its_first_request_alone(http):
    first = await complete(http, chat("Hi", model="busy-1"))
    assert (first.status, first.headers["retry-after-ms"]) == (429, "50")
    assert [(await complete(http, chat("Hi", model=name))).status for name in ("busy-1", "busy-2")] == [200, 429]


@pytest.mark.parametrize(
    "body", [{}, chat(1), chat("Hi", model=None), {"model": "m", "messages": []}, [], {"messages": 1}]
)
async def test_a_completion_without_a_model_or_a_message_gets_400(http, body):
    assert (await complete(http, body)).status == 400


async def test_another_path_below_chat_is_no_completion(http):
    assert (await http.post("/chat/other", json=chat("Hi"))).status in {400, 404}


async def test_issues_come_in_pages_that_a_link_header_joins(http):
    numbers, url = [], "/repos/ada/engine/issues?state=open"
    while url:
        answer = await http.get(url)
        numbers.append([each["number"] for each in await answer.json()])
        url = answer.links["next"]["url"] if "next" in answer.links else None
    assert numbers == [[1, 2, 3], [4, 5, 6], [7, 8]]


async def test_a_page_behind_the_last_is_empty(http):
    answer = await http.get("/repos/ada/engine/issues?page=9")
    assert (await answer.json(), "Link" in answer.headers) == ([], False)


@pytest.mark.parametrize("tags", ['"644b5b0155e6404a9cc4bd9d8b1ae730"', 'W/"644b5b0155e6404a9cc4bd9d8b1ae730", "x"'])
async def test_a_repository_that_is_known_by_its_etag_is_not_sent_again(http, tags):
    first = await http.get("/repos/ada/engine")
    assert (await first.json())["full_name"] == "ada/engine"
    again = await http.get("/repos/ada/engine", headers={"If-None-Match": tags})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (await http.get("/repos/ada/engine", headers={"If-None-Match": '"x"'})).status == 200


async def test_a_busy_repository_refuses_its_first_new_issue_with_a_secondary_limit(http):
    statuses = []
    for _ in range(2):
        answer = await http.post("/repos/ada/busy/issues", json={"title": "Broken"})
        statuses.append((answer.status, answer.headers.get("Retry-After")))
    assert statuses == [(403, "1"), (201, None)]
    assert (await answer.json())["title"] == "Broken"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/repos/ada", 404),
        ("GET", "/repos/ada/engine/pulls", 404),
        ("POST", "/repos/ada/engine", 405),
        ("POST", "/repos/ada/engine/issues", 422),
        ("DELETE", "/repos/ada/engine", 405),
        ("GET", "/repos/ada/engine/issues?page=0", 400),
    ],
)
async def test_what_the_code_host_does_not_have_is_refused(http, method, path, status):
    assert (await http.request(method, path, json={})).status == status
