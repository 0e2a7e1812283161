"""Pieces of work in threads, which end together."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from devices.interruption import interrupt

_LOOK_SECONDS = 0.2


def side_by_side(work: Sequence[Callable[[], None]], jobs: int) -> None:
    """Do all of it, `jobs` at the same time; Ctrl-C and errors end the others, with the processes that they started."""
    threads: set[threading.Thread] = set()

    def begin(one: Callable[[], None]) -> None:
        threads.add(threading.current_thread())
        one()

    with ThreadPoolExecutor(jobs) as pool:
        waiting: set[Future[None]] = {pool.submit(begin, one) for one in work}
        try:
            while waiting:
                # In short waits: a signal may wake another thread, and only this one can act on it.
                done, waiting = wait(waiting, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            for thread in threads:
                interrupt(thread)
            raise
