"""Options: each has a name for its value, a panel, and an explanation."""

import pytest
import typer

from asyncapi.cli.options import option


def test_a_flag_has_no_type_and_a_value_has_its_name():
    assert option("Panel", "--quiet -q", "", "Print less.").metavar == " "
    rate = option("Panel", "--rate -r", "RATE", "Go slower.")
    assert (rate.metavar, rate.default, rate.param_decls, rate.rich_help_panel) == ("RATE", "--rate", ("-r",), "Panel")


def test_a_check_is_called_with_the_value():
    def refuse(value):
        raise typer.BadParameter(f"not {value}")

    checked = option("Panel", "--n", "N", "A number.", refuse)
    with pytest.raises(typer.BadParameter, match="not 3"):
        checked.callback(3)


@pytest.mark.parametrize("args", [(), ("fetch",), ("serve",)])
async def test_help_names_values_in_the_users_words(asyncapi, args):
    """No type of ours, and no option without an explanation."""
    _, out, _ = await asyncapi(*args, "--help")
    assert [word for word in ("<bool>", "<int", "<float", "<str", " range") if word in out.lower()] == []
    options = [text[1:].strip() for text in out.splitlines() if text.startswith("│ --")]
    assert options
    assert [text for text in options if len(text.rstrip("│ ").split("  ")) < 2] == []


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
async def test_a_number_too_small_is_refused_with_its_option(asyncapi, inputs, value):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--max-wait", value)
    assert code == 2
    assert "'--max-wait'" in err
    assert "too small" in err
