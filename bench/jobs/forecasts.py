"""What GPU delegates are forecast to take of a converted file, as `bench lint` says it."""

import traceback
from pathlib import Path
from typing import Any

from bench.fingerprints import source_digest
from nobuco import delegates
from nobuco.delegates import check_delegates


def forecasts(file: Path) -> dict[str, Any]:
    """For each delegate that there are rules for, `reports.record.Forecast` as JSON has it."""
    try:
        return {
            check.delegate.name: {
                "nodes": len(check.verdicts),
                "taken": check.on_gpu,
                "partitions": check.partitions,
                "wrong": sum(danger.wrong for danger in check.dangers),
            }
            for check in check_delegates(file)
        }
    except (
        Exception
    ):  # a file that a rule stumbles over can be measured all the same; the job's log says what it was
        traceback.print_exc()
        return {}


def rules_digest() -> str:
    """Changes with the rules."""
    return source_digest(Path(delegates.__path__[0]))
