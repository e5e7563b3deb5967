"""`python -m asyncapi.serve`: the same command as `asyncapi serve`."""

import sys

from asyncapi.cli.commands import run
from asyncapi.cli.serve import command

if __name__ == "__main__":
    sys.exit(run(command, "python -m asyncapi.serve"))
