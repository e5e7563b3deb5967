"""The APIs that the how-to pages call, as their vendors shape them: a language model's, and a code host's.

`add_to(app.router)` goes before the general routes. Each server starts with one refusal of its own, so that the pages
meet a limit: the first completion is a 429, the first issue that is opened a secondary limit's 403.
"""

from __future__ import annotations

import json

from aiohttp import web

_ISSUES = 8


class Vendors:
    """The handlers, and how often each was asked."""

    def __init__(self):
        self.completions = 0
        self.opened = 0

    async def complete(self, request):
        """POST /v1/chat/completions: JSON, or server-sent events where `stream` is true."""
        self.completions += 1
        asked = await request.json()
        limits = {
            "x-ratelimit-limit-requests": "5000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-limit-tokens": "800000",
            "x-ratelimit-remaining-tokens": "799000",
            "x-ratelimit-reset-tokens": "75ms",
        }
        if self.completions == 1:
            refusal = {"error": {"type": "rate_limit_error", "message": "Rate limit reached"}}
            return web.json_response(refusal, status=429, headers={**limits, "retry-after-ms": "50"})
        text = f"You said: {asked['messages'][-1]['content']}"
        if not asked.get("stream"):
            message = {"role": "assistant", "content": text}
            body = {"model": asked["model"], "choices": [{"message": message}], "usage": {"total_tokens": 25}}
            return web.json_response(body, headers=limits)
        response = web.StreamResponse(headers={**limits, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in text.split(" "):
            chunk = {"choices": [{"delta": {"content": f"{word} "}}]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def issues(self, request):
        """GET /repos/{owner}/{repo}/issues: pages by Link, the next one as GitHub names it."""
        size, page = int(request.query.get("per_page", 3)), int(request.query.get("page", 1))
        low = (page - 1) * size
        rows = [self._issue(number) for number in range(low + 1, min(low + size, _ISSUES) + 1)]
        following = request.url.update_query(page=page + 1)
        link = {"Link": f'<{following}>; rel="next"'} if low + size < _ISSUES else {}
        return web.json_response(rows, headers={**self._quota(), **link})

    async def open_issue(self, request):
        """POST /repos/{owner}/{repo}/issues: the first is refused by a secondary limit."""
        self.opened += 1
        if self.opened == 1:
            refusal = {"message": "You have exceeded a secondary rate limit."}
            return web.json_response(refusal, status=403, headers={**self._quota(), "Retry-After": "1"})
        return web.json_response({**self._issue(_ISSUES + 1), **await request.json()}, status=201)

    async def repository(self, request):
        """GET /repos/{owner}/{repo}: a 304 where its ETag is named; a 401 without a token."""
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return web.json_response({"message": "Requires authentication"}, status=401)
        kept = {
            "ETag": '"644b5b0155e6404a9cc4bd9d8b1ae730"',
            "Cache-Control": "private, max-age=60, s-maxage=60",
            "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
        }
        if request.headers.get("If-None-Match") == kept["ETag"]:
            return web.Response(status=304, headers={**self._quota(), **kept})
        name = "{owner}/{repo}".format(**request.match_info)
        return web.json_response({"id": 1, "full_name": name}, headers={**self._quota(), **kept})

    @staticmethod
    def _issue(number):
        return {"number": number, "title": f"issue {number}", "state": "open"}

    @staticmethod
    def _quota():
        return {
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "4990",
            "X-RateLimit-Used": "10",
            "X-RateLimit-Reset": "1900000000",
            "X-RateLimit-Resource": "core",
        }


def add_to(router):
    """The routes of a new server."""
    vendors = Vendors()
    router.add_post("/v1/chat/completions", vendors.complete)
    router.add_get("/repos/{owner}/{repo}", vendors.repository)
    router.add_get("/repos/{owner}/{repo}/issues", vendors.issues)
    router.add_post("/repos/{owner}/{repo}/issues", vendors.open_issue)
