"""Options: each has a name for its value, a panel, and an explanation; each value is checked, and the error names it."""

import click
import pytest

from asyncapi.cli.options import PATH, SWITCH, TEXT, Kind, Opt, choice, number, options_of, whole


def parsed(row, *args):
    """What a command with this one option makes of its arguments."""
    command = click.Command("it", params=options_of({"Panel": (row,)}), callback=lambda **given: given)
    return command.main(list(args), standalone_mode=False)[row.name]


@pytest.mark.parametrize(
    ("kind", "args", "value"),
    [
        (TEXT, ("--it", "x"), "x"),
        (PATH, ("--it", "-"), "-"),
        (choice("a", "b"), ("--it", "b"), "b"),
        (whole(1), ("--it", "7"), 7),
        (number(0.5), ("--it", "inf"), float("inf")),
        (SWITCH, ("--it",), True),
        (SWITCH, ("--no-it",), False),
        (Kind(list, many=True), ("--it", "a", "--it", "b"), ["a", "b"]),
        (TEXT, (), None),
        (SWITCH, (), None),
        (Kind(list, many=True), (), None),
    ],
)
def test_a_value_is_read_and_one_that_is_not_given_is_none(kind, args, value):
    assert parsed(Opt("it", "--it", "X", "It.", kind), *args) == value


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (choice("a", "b"), "c", "'c' is not one of 'a', 'b'"),
        (whole(1), "0", "0 is too small: give 1 or more"),
        (whole(1), "1.5", "'1.5' is not a whole number"),
        (number(0.5), "nan", "nan is too small: give 0.5 or more"),
        (number(0.5), "soon", "'soon' is not a number"),
        (PATH, "", "give the name of a file"),
    ],
)
def test_a_value_that_is_wrong_is_refused_with_the_name_of_its_option(kind, value, says):
    with pytest.raises(click.BadParameter) as caught:
        parsed(Opt("it", "--it -i", "X", "It.", kind), "-i", value)
    assert says in caught.value.format_message()
    assert "'--it'" in caught.value.format_message()


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (TEXT, True, "give a text, not true"),
        (PATH, 3, "give the name of a file, not 3"),
        (SWITCH, "yes", "give true or false, not 'yes'"),
        (whole(1), True, "true is not a whole number"),
        (whole(1), 1.5, "1.5 is not a whole number"),
        (number(1), False, "false is not a number"),
        (choice("a"), 3, "3 is not one of 'a'"),
    ],
)
def test_values_of_other_types_are_refused_also(kind, value, says):
    """A job file has numbers and switches, not texts alone."""
    with pytest.raises(ValueError, match=says):
        kind.read(value)


@pytest.mark.parametrize("args", [(), ("fetch",), ("serve",)])
async def test_help_names_values_in_the_users_words(asyncapi, args):
    """No type of ours, and no option without an explanation."""
    _, out, _ = await asyncapi(*args, "--help")
    assert [word for word in ("<bool>", "<int", "<float", "<str", " range", "boolean") if word in out.lower()] == []
    options = [text[1:].strip() for text in out.splitlines() if text.startswith("│ --")]
    assert options
    assert [text for text in options if len(text.rstrip("│ ").split("  ")) < 2] == []


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
async def test_a_number_too_small_is_refused_with_its_option(asyncapi, inputs, value):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--max-wait", value)
    assert code == 2
    assert "'--max-wait'" in err
    assert "too small" in err
