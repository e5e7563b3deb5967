"""A state of a job and a summary, for the tests of what is shown of them."""

from asyncapi.bulk import Progress, Summary
from asyncapi.bulk.progress import HostProgress

LOOK = Progress(
    phase="fetching", total=10_000, done=2_500, ok=2_000, failed=400, unknown=1, skipped=99, in_flight=63, elapsed=61.0,
    rate=412.4, eta=3700.0, retries=213, p50=42.0, p95=1310.0, by_status={200: 2_000, 404: 60, 503: 340},
    by_error={"ServerError": 340, "NotFound": 60}, paused=12.0, limit="100 at a time, 50 a second",
    held={"budget": 37}, notes=("h asks to wait until 14:30:00", "another program locks the output"), queued=140,
    retries_by={"503": 200, "ConnectError": 13}, bytes=1_234_567,
    hosts=(HostProgress("api.example.com", 2_300, 380, 40.0), HostProgress("eu.example.com:8443", 100, 20, 1500.0)),
)  # fmt: skip
FACTS = ("2,500/10,000  25 %", "412 rows/s", "ETA 1:01:40", "elapsed 1:01", "in flight 63", "queued 140", "p50 42 ms",
         "p95 1.31 s", "200 kB/s", "retries 213", "after 503: 200", "after ConnectError: 13",
         "limits 100 at a time, 50 a second", "ok 2,000", "failed 400", "unknown 1", "done before 99", "503: 340",
         "ServerError 340", "paused by the server for 0:12", "held back by budget: 37", "h asks to wait until 14:30:00",
         "another program locks the output", "2,300 rows, 380 failed, p50 40 ms")  # fmt: skip


def summary(**changes):
    """Make a summary of a job that went well, with changes."""
    values = {
        "total": 10, "ok": 10, "failed": 0, "unknown": 0, "skipped": 0, "skipped_failed": 0, "elapsed": 2.0, "rate": 5.0,
        "by_status": {200: 10}, "by_error": {}, "retries": 3, "p50": 42.0, "p95": 100.0, "p99": 2000.0, "paused": 0.0, "output": "o.jsonl",
        "report": None, "stopped": None, "exit_code": 0, "retries_by": {"503": 2, "ConnectError": 1}, "bytes": 20_000,
    }  # fmt: skip
    return Summary(**{**values, **changes})
