"""What GPU delegates take of a `.tflite` file, from tables of their rules: no GPU, PyTorch or TensorFlow is needed.

`graph.py` reads the file, `sizes.py` what it leaves open; `shared.py`, `classic.py`, `ml_drift.py` and `numerics.py` are the tables; `check.py` holds one
against the other; `show.py` and `node_data.py` tell people and Model Explorer."""

from nobuco.delegates.check import Danger, DelegateCheck, State, Verdict, check_delegates
from nobuco.delegates.node_data import node_data
from nobuco.delegates.show import overview, page

__all__ = ["Danger", "DelegateCheck", "State", "Verdict", "check_delegates", "node_data", "overview", "page"]
