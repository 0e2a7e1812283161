"""The engine, Dask's `distributed`: whether it is there, how it is set, and which addresses need which certificates."""

import ipaddress
import logging
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.lab.certificates import Certificates

if TYPE_CHECKING:
    from distributed.security import Security

PORT = 8786
PATIENCE_SECONDS = 300.0
"""How long work waits for a machine that could do it before it fails with a sentence."""
_SETTINGS = {
    # A worker that is lost in the middle of a launch is tried as often as an attachment that is.
    "distributed.scheduler.allowed-failures": 3,
    # By the name that work begins with. Without a guess, the engine takes all work for short, and piles it up on one host.
    "distributed.scheduler.default-task-durations": {"convert": "60s", "launch": "10s", "describe": "1s"},
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.comm.tls.min-version": 1.2,
    "distributed.comm.timeouts.connect": "30s",
}
_LOGGERS = (
    "distributed",
    "distributed.client",
    "distributed.core",
    "distributed.http.proxy",
    "distributed.nanny",
    "distributed.scheduler",
    "distributed.worker",
)


def require_engine() -> None:
    """Raise BenchError where the engine is not installed."""
    if find_spec("distributed") is None:
        raise BenchError(
            "the lab needs Dask's `distributed`, which is not installed; run: pip install 'nobuco[bench,lab]'"
        )


def apply_settings(patience: float) -> None:
    """Set the engine up for this process.

    Args:
        patience: Seconds that a scheduler in this process lets work wait for a machine.
    """
    import distributed  # it sets its loggers up when it is imported
    from dask import config

    config.set({**_SETTINGS, "distributed.scheduler.no-workers-timeout": f"{patience:g}s"})
    for name in (distributed.__name__, *_LOGGERS):
        # What becomes of work reaches whoever ordered it; what the engine writes of itself is of no use to users.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_address(url: str) -> str:
    """An address as `--lab` takes it, with the port. Raises BenchError."""
    found = re.fullmatch(r"(?P<scheme>tcp|tls)://(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d+))?/?", url)
    if found is None:
        raise BenchError(
            f"{url!r} is no address of a lab; write tls://HOST:{PORT}, or tcp://127.0.0.1:{PORT} on one machine"
        )
    scheme, host = found["scheme"], found["host"]
    if scheme == "tcp" and not is_loopback(host):
        raise BenchError(
            f"{url}: tcp:// is for this machine alone, since whoever reaches a lab may run programs in it; write "
            f"tls://{host}:{found['port'] or PORT}, with the certificates that `bench lab scheduler` made"
        )
    return f"{scheme}://{host}:{found['port'] or PORT}"


def security_for(address: str, folder: Path | None) -> "Security | None":
    """What an address needs: mutual TLS for tls://, nothing for tcp://.

    Args:
        address: As `checked_address` returns it.
        folder: Where the certificates are; None: where they are by default.

    Raises:
        BenchError: There are none.
    """
    if address.startswith("tcp://"):
        return None
    from distributed.security import Security

    member = Certificates(folder).member()
    files = {
        f"tls_{role}_{part}": str(path)
        for role in ("scheduler", "worker", "client")
        for part, path in (("cert", member.certificate), ("key", member.key))
    }
    return Security(require_encryption=True, tls_ca_file=str(member.authority), **files)
