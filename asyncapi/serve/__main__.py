"""`python -m asyncapi.serve`: the same command as `asyncapi serve`."""

import typer

from asyncapi.cli.serve import EPILOG, serve

if __name__ == "__main__":
    app: typer.Typer = typer.Typer(add_completion=False)
    app.command("serve", epilog=EPILOG)(serve)
    app(prog_name="python -m asyncapi.serve")
