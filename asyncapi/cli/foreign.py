"""Say what to write instead of options that people know from curl, wget, aria2c, xargs and other tools."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONCURRENCY = "--concurrency N (-c N) sends so many requests at a time"
_RETRY = "--retry N is the number of attempts in all"
_BEARER = "--auth-env VARIABLE sends the token in an environment variable"
_FOLLOWED = "redirects are followed; --redirects N says how many, 0 for none"
_BODY = "--data TEXT (-d) takes a text, or @FILE"
_FAILED_ROWS = "a failed row has its error in the output, and the exit code is 1"
_QUIET = "--quiet (-q) prints errors only"
_RATE = "--rate RATE limits the requests: 50 (a second), 100/m"

_SURE = 0.8  # how like a word must be to be suggested alone; 1 is the same

INSTEAD: dict[str, str] = {
    "-j": _CONCURRENCY, "--jobs": _CONCURRENCY, "-P": _CONCURRENCY, "-Z": _CONCURRENCY, "--parallel": _CONCURRENCY,
    "--parallel-max": _CONCURRENCY, "--max-concurrent-downloads": _CONCURRENCY, "--workers": _CONCURRENCY,
    "--threads": _CONCURRENCY, "-n": "--limit N reads only the first N rows", "--max-procs": _CONCURRENCY,
    "--retries": _RETRY, "--max-retries": _RETRY, "--tries": _RETRY, "-t": _RETRY, "--max-tries": _RETRY,
    "--attempts": _RETRY, "--retry-all-errors": "--retry-on LIST says what is retried",
    "--retry-max-time": "--retry N says how many attempts; --max-outage SECONDS ends a job without responses",
    "--retry-delay": "waits between attempts grow by themselves; --rate RATE limits the requests",
    "--retry-wait": "waits between attempts grow by themselves; --rate RATE limits the requests",
    "--bearer": _BEARER, "--token": _BEARER, "--oauth2-bearer": _BEARER, "--auth": _BEARER,
    "--api-key": "--api-key-env VARIABLE sends the key in an environment variable",
    "-L": _FOLLOWED, "--location": _FOLLOWED, "--follow": _FOLLOWED, "--max-redirs": _FOLLOWED,
    "--max-redirect": _FOLLOWED, "--no-location": _FOLLOWED,
    "--request": "--method METHOD (-X METHOD)", "--request-method": "--method METHOD (-X METHOD)",
    "-I": "--method HEAD --with headers", "--head": "--method HEAD --with headers",
    "-i": "--with headers keeps the headers of each response; the input is INPUT or --from",
    "--include": "--with headers keeps the headers of each response",
    "--show-headers": "--with headers keeps the headers of each response",
    "--input": "the input is INPUT or --from PATH", "--input-file": "the input is INPUT or --from PATH",
    "--infile": "the input is INPUT or --from PATH", "--from-file": "the input is INPUT or --from PATH",
    "--data-raw": _BODY, "--data-binary": _BODY, "--data-ascii": _BODY, "--body": _BODY, "--post-data": _BODY,
    "--data-urlencode": _BODY, "-F": "forms with files are for Python: client.post(files=)",
    "--form": "forms with files are for Python: client.post(files=)",
    "-G": "put the parameters into --url: 'https://host/?q={q}'",
    "--get": "put the parameters into --url: 'https://host/?q={q}'",
    "--params": "put the parameters into --url: 'https://host/?q={q}'",
    "-A": "--header 'User-Agent: NAME'", "--user-agent": "--header 'User-Agent: NAME'",
    "-b": "--header 'Cookie: NAME=VALUE'", "--cookie": "--header 'Cookie: NAME=VALUE'",
    "-e": "--header 'Referer: URL'", "--referer": "--header 'Referer: URL'",
    "-m": "--timeout SECONDS limits one attempt", "--max-time": "--timeout SECONDS limits one attempt",
    "-T": "--timeout SECONDS limits one attempt", "--connect-timeout": "--timeout SECONDS limits one attempt",
    "-s": _QUIET, "-S": _QUIET, "--silent": _QUIET, "--no-progress-meter": _QUIET, "--no-progress": _QUIET,
    "-f": _FAILED_ROWS, "--fail": _FAILED_ROWS, "--fail-with-body": _FAILED_ROWS,
    "-O": "--save-dir FOLDER saves each response as a file",
    "--remote-name": "--save-dir FOLDER saves each response as a file",
    "--output-dir": "--save-dir FOLDER saves each response as a file",
    "--dir": "--save-dir FOLDER saves each response as a file",
    "-D": "--with headers keeps the headers of each response",
    "--dump-header": "--with headers keeps the headers of each response",
    "--cacert": "--ca PATH", "--ca-bundle": "--ca PATH", "--verify": "--ca PATH, or --insecure",
    "--no-check-certificate": "--insecure (-k)", "--no-verify": "--insecure (-k)", "-E": "--cert PATH",
    "--limit-rate": _RATE, "--rps": _RATE, "--qps": _RATE, "--rate-limit": _RATE, "--delay": _RATE, "--wait": _RATE,
    "-w": "--select PATH and --with LIST say what a row has",
    "--write-out": "--select PATH and --with LIST say what a row has",
    "--jq": "--select PATH keeps parts of the response", "--config": "--job PATH reads options from a file",
    "-K": "--job PATH reads options from a file", "--compressed": "responses are decompressed anyway",
    "--force": "--overwrite replaces the output", "-y": "--overwrite replaces the output",
    "--continue": "--resume continues a job", "-C": "--resume continues a job", "--append": "--resume continues a job",
    "--debug": "--verbose (-v)", "--progress": "progress is shown, unless --quiet is given",
    "--http2": "HTTP/2 is for Python: run(job, client=Client(http2=True))", "--http1.1": "HTTP/1.1 is what is sent",
}  # fmt: skip


def instead_of(unknown: str, known: Iterable[str], flag: str | None = None) -> str:
    """Say what to write instead of an unknown name; "" if nothing is like it.

    Args:
        unknown: The name.
        known: The names that there are.
        flag: The name as an option of the command line, where it is written otherwise.
    """
    if (flag or unknown) in INSTEAD:
        return f": {INSTEAD[flag or unknown]}"
    names = list(known)
    close = get_close_matches(unknown, names, 1, _SURE) or get_close_matches(unknown, names, 2)
    return f": did you mean {' or '.join(close)}?" if close else ""
