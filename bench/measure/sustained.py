"""Sustained runs: all cells of a device in turns, without a pause, so that each is also timed when the device is warm."""

import random
import time
from collections.abc import Callable, Sequence

from bench.measure.launching import now, require_response
from bench.measure.protocol import Launching
from bench.measure.schedule import Schedule
from bench.measure.workload import Workload
from bench.progress import Reporter, duration
from reports.figures import number, plural
from reports.record import LaunchRecord, Sustained


def sustain(
    schedule: Schedule,
    minutes: float,
    launcher: Launching,
    keep: Callable[[LaunchRecord], None],
    say: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run the cells that have a figure back to back for so many minutes, round after round.

    The cells take turns, so that all of them are launched on a device that is equally warm. A run that was interrupted is
    begun anew: the device has cooled down since. Where launches are so long that a cell has none in the last third, it is
    launched once more.

    Args:
        schedule: The cells, with what has been done of them.
        minutes: How long the device is kept at work.
        launcher: Launches on the device.
        keep: Called with every record as soon as there is one.
        say: Where progress is reported.
        clock: Seconds; for tests.

    Raises:
        DeviceError: The device no longer responds.
    """
    cells = schedule.with_figure()
    if not cells or all(schedule.history.sustained(workload, minutes) for workload in cells):
        return
    run, began = now(), clock()
    newest: dict[str, LaunchRecord] = {}
    warm: set[str] = set()
    rounds = 0
    with say.track(f"{launcher.device.name}, sustained for {minutes:g} min", len(cells)) as track:
        while clock() - began < minutes * 60 or len(warm) < len(cells):
            for workload in _order(cells, schedule.seed, rounds):
                spent = clock() - began
                if spent >= minutes * 60 and str(workload) in warm:
                    continue
                track.now(f"{workload}, {duration(max(0.0, minutes * 60 - spent))} left")
                place = Sustained(run=run, minutes=minutes, at_minute=spent / 60)
                record = launcher.launch_warm(workload, rounds, place)
                keep(record)
                schedule.history.add(record)
                require_response(launcher, record)
                newest[str(workload)] = record
                if place.in_last_third:
                    warm.add(str(workload))
            rounds += 1
        for words, record in newest.items():
            figure = (
                f"{number(record.timing.median / 1000)} ms" if record.timing else f"FAILED: {record.error}"
            )
            launches = plural(record.round + 1, "launch", "launches")
            track.step(f"{words}: {launches}, the last: {figure}", line=record.timing is None)


def _order(cells: Sequence[Workload], seed: int, round_number: int) -> list[Workload]:
    order = sorted(cells, key=lambda workload: workload.key(0))
    random.Random(f"{seed}/sustained/{round_number}").shuffle(order)
    return order
