"""Python environments of other converters: made on first use from a lock file, kept, removable.

An environment is kept in the user's cache folder, named after the digest of its lock file. It counts as installed
once its marker file is there: one whose installation was interrupted is made anew.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from bench.called import bench_command
from bench.errors import BenchError
from bench.progress import Reporter
from devices.cache import cache_folder, cache_root

_MARKER = "complete"
_LOG = "install.log"


@dataclass(frozen=True)
class Environment:
    """The virtual environment of one converter.

    Attributes:
        name: The converter.
        lock: A file of pinned packages in `bench/peers/locks`.
        python: The version of Python that the pins are known to work on, as "3.11".
        with_dependencies: Whether packages that the lock does not name are installed where one of its own
            needs them: for locks in which a package needs others on some machines only.
    """

    name: str
    lock: str
    python: str
    with_dependencies: bool = False

    @property
    def pins(self) -> str:
        """The text of the lock file."""
        return Path(__file__).parent.joinpath("locks", self.lock).read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """Changes with the pins and the version of Python."""
        return hashlib.sha256(f"{self.python}\n{self.pins}".encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return cache_root() / "baselines" / f"{self.name}-{self.digest}"

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether it is there, and complete."""
        return (self.folder / _MARKER).is_file()

    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(p.lstat().st_size for p in self.folder.rglob("*")) if self.folder.is_dir() else 0

    def ensure(self, say: Reporter) -> Path:
        """Make the environment if it is not there, and return its interpreter. Raises BenchError."""
        if not self.installed:
            with self._alone(say):
                # Another process may have made it while this one waited.
                if not self.installed:
                    self._install(say)
        return self.interpreter

    def remove(self, say: Reporter) -> bool:
        """Remove the environment; returns whether there was one."""
        with self._alone(say):
            if not self.folder.exists():
                return False
            # First: an environment that is half removed is not installed.
            (self.folder / _MARKER).unlink(missing_ok=True)
            shutil.rmtree(self.folder)
            return True

    @contextmanager
    def _alone(self, say: Reporter) -> Iterator[None]:
        lock = filelock.FileLock(cache_folder("baselines") / f"{self.folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            say.line(
                f"{self.name}: another process is installing or removing its environment; waiting for it"
            )
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _install(self, say: Reporter) -> None:
        python = find_python(self.python, self.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        say.line(f"Making the environment of {self.name}, once, in {self.folder}")
        self._run([python, "-m", "venv", str(self.folder)], "create the environment")
        requirements = self.folder / "requirements.txt"
        requirements.write_text(self.pins, encoding="utf-8")
        command = [str(self.interpreter), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        if not self.with_dependencies:
            # Some pins work together although the packages' own requirements contradict each other.
            command.append("--no-deps")
        self._pip([*command, "--progress-bar", "off", "-r", str(requirements)], say)
        (self.folder / _MARKER).write_text(self.digest, encoding="utf-8")

    def _run(self, command: list[str], purpose: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stdout + done.stderr).strip().splitlines()
            reason = words[-1] if words else "no reason given"
            raise BenchError(f"{self.name}: cannot {purpose} in {self.folder}: {reason}")

    def _pip(self, command: list[str], say: Reporter) -> None:
        pins, lines = self.pins.splitlines(), []
        with (
            (self.folder / _LOG).open("w", encoding="utf-8") as log,
            say.track(f"Installing {self.name}", len(pins)) as track,
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # A user's setting that virtual environments refuse.
                env={**os.environ, "PIP_USER": "0"},
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log.write(line)
                    lines.append(line.rstrip())
                    # "Collecting ..." or "Processing ..." begins the work on the lock's line N.
                    if match := re.match(r"[CP]\w+ing .* -r .*\(line (\d+)\)", line):
                        track.step(pins[int(match[1]) - 1])
                    elif line.startswith("Installing collected"):
                        track.now("unpacking")
            except BaseException:
                process.kill()  # after Ctrl-C above all, pip must not go on in the background
                raise
        if process.returncode != 0:
            raise BenchError(self._pip_failure(lines))

    def _pip_failure(self, lines: list[str]) -> str:
        said = next(
            (line for line in lines if line.startswith("ERROR:")), lines[-1] if lines else "nothing was said"
        )
        no_network = any(
            sign in line
            for line in lines
            for sign in (
                "No matching distribution",
                "NameResolutionError",
                "NewConnectionError",
                "ConnectTimeout",
            )
        )
        guess = " Is there a network, and can pip's package index be reached?" if no_network else ""
        return (
            f"{self.name}: its environment could not be installed: {said.removeprefix('ERROR: ')}.{guess} "
            f"pip's whole output is in {self.folder / _LOG}. Try again with "
            f"`{bench_command()} baselines install {self.name}`, or choose other converters with --converter"
        )


def find_python(version: str, purpose: str) -> str:
    """An interpreter of this version: this program's own, or one on the PATH.

    Args:
        version: As "3.11".
        purpose: What needs it, for the error.

    Raises:
        BenchError: There is none; says what was found.
    """
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if ours == version:
        return sys.executable
    command = f"python{version}"
    if found := shutil.which(command):
        # It may be a mere launcher, without an interpreter of this version behind it.
        probe = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if probe.returncode == 0 and f" {version}." in probe.stdout:
            return found
    raise BenchError(
        f"{purpose} needs Python {version}: this is Python {ours}, and there is no working {command} "
        "on the PATH. Install it, or choose other converters with --converter"
    )
