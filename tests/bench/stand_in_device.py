"""A stand-in for a device: it says what it is told to say, and remembers what it was asked."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from devices import DeviceInfo, DeviceState, RunResult
from devices.adb.android import fixed_performance_mode


class StandInDevice:
    """An Android phone with two kinds of core; `states` are told one after the other, the last one for ever."""

    def __init__(
        self,
        name: str = "adb:PHONE",
        abi: str = "arm64",
        states: Sequence[DeviceState] = (),
        kind: str = "adb",
    ) -> None:
        self.name, self.abi, self.kind = name, abi, kind
        self.emulated = False
        self.scratch = "/nowhere"
        self.states = list(states) or [DeviceState(taken_at=0.0)]
        self.commands: list[list[str]] = []
        self.closed = False

    def info(self) -> DeviceInfo:
        return DeviceInfo(
            name=self.name,
            kind=self.kind,
            model="Stand-in",
            soc=None,
            abi=self.abi,
            cores=8,
            memory_bytes=1,
            os="Android",
            kernel="6",
            delegates=("xnnpack", "xnnpack-fp16", "cpu", "gpu-opencl", "gpu-opencl-fp16"),
            android=True,
        )

    def state(self) -> DeviceState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> RunResult:
        self.commands.append(list(argv))
        return RunResult(0, b"", b"", 0.1)

    def push(self, local: Path) -> str:
        return f"/nowhere/{local.name}"

    def pull(self, remote: str, local: Path) -> None:
        raise AssertionError("nothing is pulled from a stand-in")

    def hold_performance(self) -> AbstractContextManager[bool]:
        return fixed_performance_mode(lambda argv: self.run(argv, timeout=1.0))

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def clean(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True
