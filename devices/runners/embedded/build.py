"""Building the embedded runner.

The compiler is Zig's, from PyPI: a fresh Debian has no compiler, and a user should not need root for one. One package
compiles for every target here, so that a runner for an arm64 device is built on an x86-64 host, and it links against a
chosen version of glibc, not the newest installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from devices.cache import build_once, cache_folder
from devices.errors import DeviceError

# libLiteRt.so itself needs glibc 2.34; asking for less would gain nothing.
_TARGETS = {"x86_64": "x86_64-linux-gnu.2.34", "arm64": "aarch64-linux-gnu.2.34"}
_FLAGS = ("-O2",)
_NAME = "nobuco-runner"


def _sources() -> list[Path]:
    folder = Path(__file__).parent
    return sorted([*folder.glob("*.c"), *folder.glob("*.h")])


@cache
def runner_hash() -> str:
    """First twelve digits of the SHA-256 over the runner's sources and flags."""
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for source in _sources():
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def build_runner(abi: str) -> Path:
    """The runner for ``abi``, compiled when the cache has none of this source."""
    if abi not in _TARGETS:
        raise DeviceError(f"the embedded runner is not built for {abi}; it is for {' and '.join(_TARGETS)}")
    target = cache_folder("runner", f"{runner_hash()}-{abi}") / _NAME
    return build_once(target, lambda folder: _compile(folder, _TARGETS[abi]))


def check_compiler() -> None:
    """``DeviceError`` when the compiler is not installed."""
    if importlib.util.find_spec("ziglang") is None:
        raise DeviceError(
            "the compiler for the embedded runner, ziglang, is not installed",
            "run: pip install 'ziglang>=0.13,<0.18'",
        )


def _compile(folder: Path, target: str) -> Path:
    check_compiler()
    output = folder / _NAME
    sources = [str(path) for path in _sources() if path.suffix == ".c"]
    command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-target", target]
    command += [*sources, "-o", str(output), "-ldl"]
    # Zig keeps hundreds of MB of intermediate files, which belong in our cache, where they are cleaned up.
    zig_cache = str(cache_folder("zig"))
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": zig_cache, "ZIG_LOCAL_CACHE_DIR": zig_cache}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise DeviceError(f"cannot compile the embedded runner for {target}:\n{done.stderr.strip()}")
    return output
