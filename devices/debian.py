"""Fetching Debian packages, also of another architecture and release, without root and without touching the system's
apt."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from devices.errors import DeviceError

RELEASE = "trixie"
MIRROR_VARIABLE = "NOBUCO_DEBIAN_MIRROR"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The sandbox line: apt would drop to a user of its own, who cannot read a private cache folder.
_APT_CONFIGURATION = """\
Dir::Etc "{folder}/etc";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
"""


class PackageSource:
    """A private apt configuration in ``folder`` for one Debian architecture."""

    def __init__(self, folder: Path, architecture: str) -> None:
        mirror = check_tools()
        self._folder = folder
        for name in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True)
        line = f"deb [arch={architecture} signed-by={_KEYRING}] {mirror} {RELEASE} main\n"
        (folder / "etc/sources.list").write_text(line, encoding="utf-8")
        configuration = folder / "apt.conf"
        configuration.write_text(_APT_CONFIGURATION.format(folder=folder, architecture=architecture))
        self._environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}
        self._run(["apt-get", "-qq", "update"], folder, "read Debian's list of packages")

    def newest_dependency(self, package: str, prefix: str) -> str:
        """The package whose name begins with ``prefix`` that a metapackage stands for now."""
        text = self._run(["apt-cache", "depends", package], self._folder, f"look up {package}")
        for line in text.splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends" and name.startswith(prefix):
                return name
        raise DeviceError(f"Debian's {package} depends on no {prefix}* package any more")

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """Download ``packages``, which apt verifies against the archive's signature."""
        target = self._folder / "packages"
        target.mkdir()
        self._run(["apt-get", "-qq", "download", *packages], target, "download packages")
        return sorted(target.glob("*.deb"))

    def unpack(self, archives: Sequence[Path]) -> Path:
        """The content of all ``archives`` in one folder."""
        root = self._folder / "unpacked"
        for archive in archives:
            unpack(archive, root)
        return root

    def _run(self, command: list[str], folder: Path, purpose: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        # `apt-get update` that reaches nobody warns and ends with 0.
        failed = [
            line for line in done.stderr.splitlines() if line.startswith(("E:", "W: Failed to fetch", "Err:"))
        ]
        if done.returncode or failed:
            reason = (failed or done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise DeviceError(
                f"cannot {purpose} from {_mirror()} ({RELEASE}): {reason}",
                f"check the network, or set {MIRROR_VARIABLE} to a Debian mirror",
            )
        return done.stdout


def check_tools() -> str:
    """The Debian mirror to use; ``DeviceError`` when what building a machine needs is missing."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise DeviceError(
                f"building an emulated machine needs {program}, which Debian and its derivatives have",
                "build it in a Debian container and share the cache folder",
            )
    if not _KEYRING.exists():
        raise DeviceError(f"{_KEYRING} is missing", "run: sudo apt-get install debian-archive-keyring")
    return _mirror()


def download_for_this_system(package: str, folder: Path) -> Path:
    """Download a package of this system's own release. Needs no root."""
    if shutil.which("apt-get") is None:
        raise DeviceError(f"there is no apt-get here to fetch {package} with")
    command = ["apt-get", "-qq", "download", package]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.deb"))
    if done.returncode or not archives:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise DeviceError(f"apt-get cannot download {package} ({reason}); run: sudo apt-get update")
    return archives[0]


def unpack(archive: Path, target: Path) -> Path:
    """The content of one package in ``target``."""
    done = subprocess.run(
        ["dpkg-deb", "-x", str(archive), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DeviceError(f"cannot unpack {archive.name}: {done.stderr.strip()}")
    return target


def _mirror() -> str:
    """The Debian mirror that this machine uses, or the one named by the environment."""
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(LABEL)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        site, _, label = line.partition(" ")
        if label == "Debian":
            return site
    raise DeviceError(
        "this machine's apt knows no Debian mirror",
        f"run: sudo apt-get update, or set {MIRROR_VARIABLE} to a mirror",
    )
