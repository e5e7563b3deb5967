"""`python -m asyncapi` is the command line."""

import sys

from asyncapi.cli import main

if __name__ == "__main__":
    sys.exit(main())
