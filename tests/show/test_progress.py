import io

import pytest
import torch
from rich.console import Console
from torch import nn

import nobuco
from nobuco.show import progress
from nobuco.show.progress import Progress, current_console


def test_silent_where_there_is_no_terminal(capfd):
    with Progress(True) as bars:
        bars.step("Tracing")()
        bars.step("Converting", 3)()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda stderr: Console(file=file, force_terminal=True, width=100, stderr=stderr)
    )
    return file


def test_bars_on_a_terminal(terminal):
    with Progress(True) as bars:
        move = bars.step("Converting", 3)
        move()
        move()
    assert "Converting" in terminal.getvalue() and "2/3" in terminal.getvalue()
    assert current_console() is None


def test_no_bars_when_not_shown(terminal):
    with Progress(False) as bars:
        bars.step("Converting", 3)()
    assert "Converting" not in terminal.getvalue()


def test_a_conversion_in_a_converter_shares_the_terminal(terminal):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 3)

        def forward(self, x):
            return self.inner(x)

    @nobuco.converter(Outer, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
    def converter_outer(self, x):
        model, output = nobuco.pytorch_to_keras(self.inner, [x], return_outputs_pt=True)
        assert torch.equal(output, self.inner(x))
        return model

    nobuco.pytorch_to_keras(Outer(), [torch.rand(1, 2)])
    shown = terminal.getvalue()
    assert shown.count("F.linear") == 1 and shown.index("Linear") < shown.index("Outer")
    assert current_console() is None
