"""Bulk jobs: read a file of requests, write a file of responses, and lose nothing on the way.

from asyncapi.bulk import Job, run

summary = await run(Job("urls.txt", "responses.jsonl", rate="50", resume=True))
"""

from asyncapi.bulk.engine import Engine
from asyncapi.bulk.frame import blocking_frame, frame
from asyncapi.bulk.job import Job
from asyncapi.bulk.lines import InputError
from asyncapi.bulk.progress import Progress
from asyncapi.bulk.run import JobStopped, Run, run, stream
from asyncapi.bulk.summary import Summary

__all__ = [
    "Engine", "InputError", "Job", "JobStopped", "Progress", "Run", "Summary", "blocking_frame", "frame", "run",
    "stream",
]  # fmt: skip
