"""`asyncapi trace` lists what can be done with a trace."""


async def test_it_shows_its_commands(asyncapi):
    code, out, err = await asyncapi("trace", "--help")
    assert (code, err) == (0, "")
    assert "what-if" in out
    code, out, err = await asyncapi("trace")
    assert (code, out) == (2, "")
    assert "what-if" in err


async def test_a_command_that_isnt_there_is_told(asyncapi):
    code, _, err = await asyncapi("trace", "whatif", "x")
    assert code == 2
    assert "No such command 'whatif'" in err
