"""Bulk jobs: a file of requests in, a file of answers out, and nothing lost on the way.

from asyncapi.bulk import Job, run

summary = await run(Job("urls.txt", "answers.jsonl", rate="50", resume=True))
"""

from asyncapi.bulk.engine import Engine, run
from asyncapi.bulk.job import Job, Summary
from asyncapi.bulk.lines import InputError
from asyncapi.bulk.progress import Progress

__all__ = ["Engine", "InputError", "Job", "Progress", "Summary", "run"]
