"""Bulk jobs: a file of requests in, a file of answers out, and nothing lost on the way.

from asyncapi.bulk import Job, run

summary = await run(Job("urls.txt", "answers.jsonl", rate="50", resume=True))
"""

from asyncapi.bulk.engine import Engine, run
from asyncapi.bulk.job import Job, Summary
from asyncapi.bulk.progress import Progress
from asyncapi.bulk.reader import InputError

__all__ = ["Engine", "InputError", "Job", "Progress", "Summary", "run"]
