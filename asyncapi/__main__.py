"""`python -m asyncapi` is the command line."""

from asyncapi.cli import main

if __name__ == "__main__":
    main()
