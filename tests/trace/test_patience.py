"""Runs that would never end are ended, whatever the program catches; those that take some more are not."""

import pytest
import torch

from nobuco.trace.carried import carried_state
from nobuco.trace.patience import Effort, EndlessRunError
from nobuco.trace.run import run_untraced


def doubled_until_large(x):
    while True:
        try:
            x = x * 2
            if x.sum() > 100:
                return x
        except Exception:
            pass


def test_an_endless_run_is_ended():
    x, zeros = torch.ones(2), torch.zeros(2)
    effort = Effort(calls=20, seconds=0.01)
    assert run_untraced(doubled_until_large, (x,), {}, [x], [x * 1e-30], effort=effort)
    with pytest.raises(EndlessRunError, match=r"still running after 50,401 calls .* the example took 20"):
        run_untraced(doubled_until_large, (x,), {}, [x], [zeros], effort=effort)


def test_state_is_looked_for_without_waiting_forever():
    seen = [torch.zeros(1)]

    def model(x):
        while x.sum() < 10:  # endless where x is turned round
            x = x * 2
        seen[0] += 1
        return x

    x = torch.ones(2)
    assert carried_state(model, (x,), {}, [x], [x], {"seen[0]"}, branches=True) == {"seen[0]"}
