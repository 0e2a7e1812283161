"""Sustained runs: all cells of a device in turns, without a pause, so that each is also timed when the device is warm."""

import random
import time
from collections.abc import Callable, Sequence

from bench.measure.launching import Launcher, now, require_response
from bench.measure.schedule import Schedule
from bench.measure.workload import Workload
from bench.progress import Reporter, duration
from reports.figures import number, plural
from reports.record import LaunchRecord, Sustained


def sustain(
    schedule: Schedule,
    minutes: float,
    launcher: Launcher,
    keep: Callable[[LaunchRecord], None],
    say: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run the cells that have a figure back to back for so many minutes, round after round.

    The cells take turns, so that all of them are launched on a device that is equally warm. A run that was interrupted is
    begun anew: the device has cooled down since. The last round is finished, however long it takes, so that every cell
    has a launch in the last third.

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
    last: dict[str, LaunchRecord] = {}
    with say.track(f"{launcher.device.name}, sustained for {minutes:g} min", len(cells)) as track:
        number_of_round = 0
        while True:
            for workload in _order(cells, schedule.seed, number_of_round):
                spent = clock() - began
                left = max(0.0, minutes * 60 - spent)
                track.now(f"{workload}, {duration(left)} left")
                place = Sustained(run=run, minutes=minutes, at_minute=spent / 60)
                record = launcher.launch_warm(workload, number_of_round, place)
                keep(record)
                schedule.history.add(record)
                require_response(launcher, record)
                last[str(workload)] = record
            number_of_round += 1
            if clock() - began >= minutes * 60:
                break
        for words, record in last.items():
            figure = (
                f"{number(record.timing.median / 1000)} ms in the last" if record.timing else record.error
            )
            track.step(f"{words}: {plural(number_of_round, 'launch', 'launches')}, {figure}")


def _order(cells: Sequence[Workload], seed: int, round_number: int) -> list[Workload]:
    order = sorted(cells, key=lambda workload: workload.key(0))
    random.Random(f"{seed}/sustained/{round_number}").shuffle(order)
    return order
