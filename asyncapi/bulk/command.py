"""Say what ran: the command line and the settings, without their secrets."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import MISSING, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from asyncapi.redact import MASK, is_secret, is_secret_field, one_line, redact_broken, redact_pairs, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncapi.bulk.job import Job

_COMMAND_LINE = "asyncapi.cli.running"  # what nothing but the command line imports
_HEADERS = frozenset({"-H", "--header"})
_SECRETS = frozenset({"--user", "-u"})  # name:password
_BODIES = frozenset({"--json", "--data", "-d"})
# Settings that hold no secret once their URLs are masked.
_SHOWN = (
    "url", "format", "method", "base_url", "auth_env", "api_key_env", "model", "rate", "burst", "tokens", "weight_from",
    "pace", "adaptive", "per_host", "retry", "retry_policy", "retry_budget", "retry_on", "max_wait", "max_outage",
    "timeout", "idempotency_key", "resume", "retry_failed", "include_unknown", "ordered", "max_errors", "fail_fast",
    "limit", "carry", "select", "extra", "save_dir", "failed_to", "redirects", "cache", "cache_store", "proxy",
    "proxy_env", "transport", "durable", "workers_hint", "on", "chunk",
)  # fmt: skip


def command_text(arguments: Sequence[str] | None = None) -> str:
    """Return the command line as one would type it, an option a line, with its secrets masked.

    Args:
        arguments: The program and its arguments; by default those of this process. A program of the user's that calls
            `run` has no command line to show: "".
    """
    given = sys.argv if arguments is None else arguments
    program = PurePath(given[0]) if given else PurePath()
    is_ours = program.stem == "asyncapi" or program.parts[-2:] == ("asyncapi", "__main__.py")
    if not is_ours and not (str(program) == "-c" and _COMMAND_LINE in sys.modules):
        return ""
    words = ["asyncapi"]
    previous = ""
    for word in given[1:]:
        quoted = shlex.quote(one_line(_masked(previous, word), 10_000))
        words.append(f"\\\n    {quoted}" if word[:1] == "-" and word != "-" else quoted)
        previous = word
    return " ".join(words)


def _masked(option: str, word: str) -> str:
    """Mask the secrets of a word that follows an option."""
    if word[:2] == "--" and "=" in word:
        name, _, value = word.partition("=")
        return f"{name}={_masked(name, value)}"
    if word[:2] in {"-H", "-u", "-d"} and len(word) > 2:  # noqa: PLR2004 - a short option with its value
        return word[:2] + _masked(word[:2], word[2:])
    if option in _SECRETS:
        return f"{word.partition(':')[0]}:{MASK}" if ":" in word else word
    if option in _HEADERS:
        name, colon, _ = word.partition(":")
        return f"{name}: {MASK}" if colon and is_secret(name.strip()) else word
    if option in _BODIES:
        return _masked_body(word)
    return redact_broken(word) if "//" in word and "@" in word else redact_url(word)


def _masked_body(text: str) -> str:
    try:
        body = json.loads(text)
    except ValueError:
        return redact_pairs(text)
    return json.dumps(_masked_fields(body), ensure_ascii=False)


def _masked_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: MASK if is_secret_field(name) else _masked_fields(each) for name, each in value.items()}
    return [_masked_fields(each) for each in value] if isinstance(value, list) else value


def shown_settings(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the settings that are not the default, secrets masked."""
    defaults = {each.name: each.default for each in fields(job)}
    for name in _SHOWN:
        value = getattr(job, name, None)
        if value is None or value == defaults.get(name, MISSING):
            continue
        text = str(value)
        yield name.replace("_", " "), redact_broken(text) if "//" in text and "@" in text else redact_url(text)
    if job.headers:
        yield "headers", f"{', '.join(job.headers)} (their values are not shown)"
