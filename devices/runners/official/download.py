"""The official binary for a platform: fetched once, kept, and checked against the hash that it had the first time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from devices.cache import cache_folder, sha256_of
from devices.errors import DeviceError
from devices.protocol import DeviceInfo

STORE_VARIABLE = "NOBUCO_BENCHMARK_STORE"
# The classic program. LiteRT's, of the same name, is published for each release, but takes no inputs and gives no
# outputs: what it has timed cannot be checked.
_STORE = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools"
_RELEASE = "nightly/latest"
_NAME = "benchmark_model"
# The store's names of processors.
_PLATFORMS = {
    (True, "arm64"): "android_aarch64",
    (True, "arm"): "android_arm",
    (False, "arm64"): "linux_aarch64",
    (False, "arm"): "linux_arm",
    (False, "x86_64"): "linux_x86-64",
}
_TIMEOUT_SECONDS = 60


def platform_of(info: DeviceInfo) -> str:
    """The store's name for a device's platform; ``DeviceError`` when nothing is published for it."""
    platform = _PLATFORMS.get((info.android, info.abi))
    if platform is None:
        system = "Android" if info.android else "Linux"
        raise DeviceError(
            f"no official benchmark_model is published for {system} on {info.abi} ({info.name}), only for "
            f"{', '.join(_PLATFORMS.values())}; give one with --benchmark-binary"
        )
    return platform


def official_binary(platform: str, release: str = _RELEASE) -> Path:
    """The published binary for a platform.

    Raises:
        DeviceError: It cannot be fetched, or is not the one of the first time.
    """
    from filelock import FileLock

    folder = cache_folder("official", *release.split("/"), platform)
    binary, record = folder / _NAME, folder / f"{_NAME}.sha256"
    with FileLock(folder / ".lock"):
        recorded = record.read_text(encoding="ascii").strip() if record.exists() else None
        if not binary.exists():
            _fetch(f"{os.environ.get(STORE_VARIABLE, _STORE)}/{release}/{platform}_{_NAME}", binary, recorded)
        digest = sha256_of(binary)
        if recorded is None:
            record.write_text(digest + "\n", encoding="ascii")
        elif digest != recorded:
            raise DeviceError(
                f"{binary} has SHA-256 {digest}, but had {recorded} when it was first used; remove it to fetch it again"
            )
        binary.chmod(0o755)
    return binary


def _fetch(url: str, target: Path, recorded: str | None) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    # pooch's own annotation of what a downloader is does not fit its own downloaders.
    downloader: Any = pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS)
    way_out = "check the network, or give a binary with --benchmark-binary"
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{recorded}" if recorded else None,
            path=target.parent,
            fname=target.name,
            downloader=downloader,
        )
    except ValueError as error:
        raise DeviceError(
            f"{url} is not the file that it was when first used (SHA-256 {recorded}): the store has changed it; remove "
            f"{target}.sha256 to accept the new one"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise DeviceError(f"cannot fetch {url}: {error}; {way_out}") from error
