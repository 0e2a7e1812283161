"""Branches and loops that depend on tensors become part of the graph.

Python decides an `if` by a number; what it does not do leaves no trace. Where the first run of a program shows that it
decides by a tensor, the function that does so is rewritten (`rewriting.py`) so that its control flow is calls of ours
(`operators.py`), and the program is traced again (`tracing.py`): every way through a branch, and one turn of a loop, is
recorded for itself (`branches.py`, `loops.py`), and compared (`states.py`)."""
