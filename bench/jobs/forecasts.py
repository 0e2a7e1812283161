"""What GPU delegates are forecast to take of a converted file, as `bench lint` says it."""

import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from bench.fingerprints import source_digest
from bench.jobs.entry import one_line
from nobuco import delegates
from nobuco.delegates import State, check_delegates
from nobuco.delegates.check import DELEGATES


def forecasts(file: Path) -> dict[str, Any]:
    """For each delegate that there are rules for, `reports.record.Forecast` as JSON has it."""
    return {name: _forecast(file, name) for name in DELEGATES}


def _forecast(file: Path, delegate: str) -> dict[str, Any]:
    try:
        (check,) = check_delegates(file, delegates=[delegate])
    # A file that a rule stumbles over can be measured all the same: the tables say why there is no forecast.
    except Exception as error:
        traceback.print_exc()
        return {"error": one_line(error)}
    refused = Counter(
        f"{each.op.op}: {each.rule}" for each in check.verdicts if each.state is not State.TAKEN
    )
    return {
        "nodes": len(check.verdicts),
        "taken": check.on_gpu,
        "partitions": check.partitions,
        "wrong": sum(danger.wrong for danger in check.dangers),
        "refused": dict(sorted(refused.items())),
    }


def rules_digest() -> str:
    """Changes with the rules."""
    return source_digest(Path(delegates.__path__[0]))
