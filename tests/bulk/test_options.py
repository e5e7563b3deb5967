"""The settings of a job are keyword arguments with the same types."""

from asyncapi.bulk import Job
from asyncapi.bulk.options import JobOptions


def test_options_make_a_job():
    options = JobOptions(url="https://h/{id}", carry=("a",), rate="50/s", retry=None)
    job = Job("in.csv", **options)
    assert (job.url, job.carry, job.retry) == ("https://h/{id}", ("a",), None)
