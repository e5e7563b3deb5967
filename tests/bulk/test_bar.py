"""A bar shows the progress where somebody sees it: in a notebook and in a terminal."""

import sys
from dataclasses import replace

import pytest

from asyncapi.bulk import bar as bars
from asyncapi.bulk.engine import Engine
from asyncapi.bulk.job import Job


@pytest.fixture
def state():
    shown = []
    engine = Engine(Job(["https://h/1"], "-"), progress=shown.append)
    engine._gauges.show()
    return replace(shown[0], phase="fetching", total=2000, done=1500, failed=3, rate=12.3, paused=0.0)


@pytest.fixture
def notebook(monkeypatch):
    """Stands in for IPython in a kernel; collects what the cell shows."""
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    def display(what, display_id):
        shown.append(what)
        return Handle()

    module = type("IPython", (), {"get_ipython": staticmethod(type("Shell", (), {"kernel": 1}))})
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", type("d", (), {"HTML": str, "display": staticmethod(display)}))
    return shown


def test_the_state_is_a_few_words(state):
    assert bars.text(state) == "1,500/2,000 rows, 3 failed, 12/s"
    waiting = replace(state, total=None, failed=0, rate=0.5, paused=2.6)
    assert bars.text(waiting) == "1,500 rows, 0.5/s, the server asks to wait 3 s"


def test_a_notebook_has_one_bar_that_moves(notebook, state):
    shown = bars.bar()
    assert isinstance(shown, bars.NotebookBar)
    shown.update(state)
    shown.update(replace(state, done=2000))
    shown.close()
    assert len(notebook) == 2
    assert '<progress value="1500" max="2000"' in notebook[0]
    assert "2,000/2,000 rows" in notebook[1]


def test_a_terminal_has_a_bar_on_stderr(monkeypatch, capsys, state):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = bars.bar()
    assert isinstance(shown, bars.TerminalBar)
    shown.update(state)
    shown.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "1,500/2,000 rows, 3 failed" in err


def test_where_nobody_sees_it_there_is_none(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert bars.bar() is None
