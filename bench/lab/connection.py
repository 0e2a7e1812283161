"""A client of the lab: gives work to the engine and waits for it, also across the end of a scheduler."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

from bench.errors import BenchError
from bench.lab.engine import PATIENCE_SECONDS, apply_settings, security_for
from bench.lab.facts import KEY, Facts
from bench.lab.program import program
from bench.lab.resources import of_program
from bench.progress import Reporter
from devices.interruption import look_for_interruption

_POLL_SECONDS = 0.05
_LOOK_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_RETRIES = 2
"""How often what failed with its device is tried again, each time on whichever machine has the device by then."""

Answer = TypeVar("Answer")


class _OfTheWork(Exception):
    """What the work itself raised: it may look like a lost connection, and is none."""


class LostOnTheWay(BenchError):
    """The scheduler or a worker was lost while it was talked to. Asking again may help."""


class NobodyCan(BenchError):
    """There was no machine for a piece of work for as long as one was waited for."""


@dataclass(frozen=True)
class LabWorker:
    """A worker of the lab as the scheduler knows it."""

    name: str
    address: str
    facts: Facts
    resources: Mapping[str, float]

    def offers(self, asked: Mapping[str, float]) -> bool:
        """Whether it could do work that asks for this."""
        return all(self.resources.get(name, 0.0) >= number for name, number in asked.items())


class Connection:
    """A client of a lab. Several threads may use it at the same time.

    Args:
        lab: The scheduler's address, or a client that the user has.
        certificates: The folder with the certificates; None: the default. Not used with a client.
        patience: Seconds to wait for a scheduler, or for a machine that can do a piece of work.
        say: Where it is said what is waited for.

    Raises:
        BenchError: There is no scheduler, or it does not accept this client.
    """

    def __init__(
        self,
        lab: "str | Client",
        certificates: Path | None = None,
        patience: float = PATIENCE_SECONDS,
        say: Reporter | None = None,
    ) -> None:
        self.patience = patience
        self.say = say or Reporter()
        self._certificates = certificates
        self._gate = threading.Lock()
        self._said: set[str] = set()
        if isinstance(lab, str):
            apply_settings(patience)
            self._address: str | None = lab
            self._client = self._connected(lab)
        else:
            if lab.asynchronous:
                raise BenchError(
                    "the client of the lab must not be an asynchronous one; make it with Client(ADDRESS)"
                )
            self._address = None
            self._client = lab

    def close(self) -> None:
        """End the connection, unless it is the user's own."""
        if self._address is not None:
            self._client.close()

    def workers(self) -> list[LabWorker]:
        """The workers that `bench lab worker` started, by name."""
        known = self._client.scheduler_info(n_workers=-1)["workers"]
        found = [
            LabWorker(str(each["name"]), address, Facts.of(each[KEY]), each["resources"])
            for address, each in known.items()
            if KEY in each
        ]
        return sorted(found, key=lambda worker: worker.name)

    def ask(
        self, function: Callable[[Any], Answer], order: Any, resources: Mapping[str, float], what: str
    ) -> Answer:
        """Have a piece of work done, and wait for it. When the scheduler is lost, another one is asked.

        Args:
            function: One of `bench.lab.tasks`.
            order: Its argument.
            resources: What a worker must offer.
            what: The work in words.

        Raises:
            NobodyCan: No machine could do it within the time to wait, or all that tried ended.
            BenchError: There is no scheduler any more.
            Exception: What the work raised.
        """
        while True:
            client = self._running()
            key = f"{function.__name__}-0: {what} ({uuid.uuid4().hex[:8]})"  # up to the dash: see `engine`
            try:
                future = client.submit(
                    function, order, key=key, resources=dict(resources), retries=_RETRIES, pure=False
                )
                try:
                    return self._result(future, resources, what)
                finally:
                    future.release()
            except (CancelledError, CommClosedError, OSError):
                self._tell("the scheduler was lost; what was under way is asked for again")
            except _OfTheWork as raised:
                error = raised.__cause__
                if isinstance(error, NoValidWorkerError | NoWorkerError):
                    raise NobodyCan(self._nobody(resources, what)) from error
                if isinstance(error, KilledWorker):
                    lost = "the machines that tried it were lost in the middle of it"
                    raise NobodyCan(f"{what}: {lost}") from error
                assert error is not None
                raise error from None

    def on_worker(self, address: str, function: Callable[..., Answer], *arguments: object) -> Answer:
        """Run a function of `bench.lab.tasks` on a worker at once, whatever else it does.

        Raises:
            LostOnTheWay: The worker or the scheduler cannot be reached.
            BenchError: What the function raised.
        """
        try:
            answers: Any = self._running().run(function, *arguments, workers=[address])
        except (CancelledError, CommClosedError, OSError) as error:
            raise LostOnTheWay(f"the worker at {address} was lost: {error}") from error
        return answers[address]

    def on_scheduler(self, function: Callable[..., Answer]) -> Answer:
        """Run a function in the scheduler, which it is given as `dask_scheduler`."""
        answer: Any = self._running().run_on_scheduler(function)
        return answer

    def _result(self, future: Any, resources: Mapping[str, float], what: str) -> Any:
        looked = alone_since = time.monotonic()
        while not future.done():
            look_for_interruption()
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if now - looked < _LOOK_SECONDS:
                continue
            looked = now
            if any(worker.offers(resources) for worker in self.workers()):
                alone_since = now
            else:
                self._tell(f"{what}: waiting for up to {self.patience:g} s: {self._why_nobody(resources)}")
                if now - alone_since > self.patience:
                    future.cancel()
                    raise NobodyCan(self._nobody(resources, what))
        if future.status == "error":
            raise _OfTheWork from future.exception()
        return future.result()

    def _nobody(self, resources: Mapping[str, float], what: str) -> str:
        return f"{what}: {self._why_nobody(resources)}, for {self.patience:g} s; the same command goes on once it is there"

    def _why_nobody(self, resources: Mapping[str, float]) -> str:
        """What keeps work waiting that no worker offers everything for."""
        workers = self.workers()
        lacking = [
            name
            for name, number in resources.items()
            if not any(worker.resources.get(name, 0.0) >= number for worker in workers)
        ]
        if not workers:
            return "there is no worker in the lab"
        if lacking == [of_program(program())]:
            return f"{', '.join(sorted({w.facts.host for w in workers}))}: another version of this program"
        return f"no machine of the lab offers {', '.join(lacking or resources)}"

    def _tell(self, words: str) -> None:
        """Once: many threads wait for the same."""
        with self._gate:
            fresh = words not in self._said
            self._said.add(words)
        if fresh:
            self.say.line(words)

    def _running(self) -> Client:
        """The client, connected again if the scheduler was lost. Raises BenchError."""
        deadline = time.monotonic() + self.patience
        while self._client.status != "running":
            look_for_interruption()
            if self._client.status == "closed":
                with self._gate:
                    if self._client.status == "closed":
                        if self._address is None:
                            raise BenchError("the client of the lab was closed, or lost its scheduler")
                        self._client = self._connected(self._address, deadline)
            elif time.monotonic() > deadline:
                raise BenchError(f"the scheduler was lost and did not come back within {self.patience:g} s")
            time.sleep(_POLL_SECONDS)
        return self._client

    def _connected(self, address: str, deadline: float = 0.0) -> Client:
        security = security_for(address, self._certificates)
        while True:
            try:
                return Client(
                    address, security=security, timeout=_CONNECT_SECONDS, set_as_default=False, name="bench"
                )
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    reason = str(error.__cause__ or error)
                    raise BenchError(
                        f"--lab {address}: no scheduler answers there, or it does not accept this client's certificate: "
                        f"{reason}; start one with `bench lab scheduler`, with the same certificates here"
                    ) from error
                self._tell("waiting for the scheduler to come back")
                time.sleep(1.0)
