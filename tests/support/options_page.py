"""docs/bulk-options.md from the table of options: `python tests/support/options_page.py > docs/bulk-options.md`."""

from asyncapi.cli.fetch_options import TABLE

HEAD = """\
# The options of fetch

Every option of `asyncapi fetch`. [Bulk jobs](bulk.md) shows them at work. In a [job file](bulk.md#job-files), an option
has its long name without `--`. In Python, `Job` has the same settings.
"""


def page():
    """The whole page."""
    parts = [HEAD]
    for panel, rows in TABLE.items():
        parts.append(f"\n## {panel}\n\n| option | what it does |\n|---|---|\n")
        parts += [f"| {_name(row)} | {_text(row)} |\n" for row in rows]
    return "".join(parts)


def _name(row):
    metavar = f" {row.metavar}" if row.metavar else ""
    return ", ".join(f"`{flag}{metavar}`" for flag in row.flags.replace("/", " ").split()).replace("|", "\\|")


def _text(row):
    default = f" Default: `{row.default}`." if row.default else ""
    return row.text.replace("|", "\\|").replace("{columns}", "`{columns}`") + default


if __name__ == "__main__":
    print(page(), end="")
