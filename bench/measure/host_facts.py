"""What every record says about the machine and the programs that measured."""

import platform
import subprocess
import sys
from pathlib import Path

from bench.fingerprints import versions_of
from reports.record import Environment

_PACKAGES = ("nobuco", "torch", "torchvision", "tensorflow", "keras", "ai-edge-litert", "numpy", "onnx")


def environment() -> Environment:
    """This machine and the versions of what runs on it."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu(),
        versions=versions_of(_PACKAGES),
        git=_git(),
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _git() -> str | None:
    """The commit this program runs from, with -dirty when files were changed; None outside a checkout."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"the commit is unknown, git failed: {error}", file=sys.stderr)
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
