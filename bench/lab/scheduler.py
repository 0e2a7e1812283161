"""The scheduler of a lab: it knows the machines and gives them work. It keeps nothing that would be missed."""

import asyncio
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

from distributed import Scheduler

from bench.errors import BenchError
from bench.lab.certificates import Certificates
from bench.lab.engine import apply_settings, is_loopback, security_for


def serve(
    host: str | None,
    port: int,
    certificates: Path | None,
    encrypted: bool,
    patience: float,
    say: Callable[[str], None],
) -> None:
    """Run a scheduler until the process is ended.

    Args:
        host: The address to listen on; None: all of them with certificates, this machine's own without.
        port: The port; 0: any that is free.
        certificates: The folder with the certificates, which are made where there are none.
        encrypted: Whether certificates are used.
        patience: Seconds that work waits for a machine that could do it.
        say: Called with what a user is to know.

    Raises:
        BenchError: The address cannot be listened on, or is not this machine's own and there are no certificates.
    """
    if not encrypted and host is not None and not is_loopback(host):
        raise BenchError(
            f"--host {host}: without certificates a scheduler listens on this machine's own address alone, since whoever "
            "reaches it may run programs; leave out --no-certificates"
        )
    if encrypted and not Certificates(certificates).there:
        made = Certificates(certificates).make()
        say(f"Certificates made. Copy {made.key.parent} to the same place on each machine of the lab.")
    apply_settings(patience)
    asyncio.run(_serve(host, port, certificates, encrypted, say))


async def _serve(
    host: str | None, port: int, certificates: Path | None, encrypted: bool, say: Callable[[str], None]
) -> None:
    # It guesses an address of its own by a route to the Internet, which a lab may lack.
    warnings.filterwarnings("ignore", message="Couldn't detect a suitable IP address")
    scheme = "tls" if encrypted else "tcp"
    address = host or ("" if encrypted else "127.0.0.1")
    try:
        scheduler = await Scheduler(
            host=address,
            port=port,
            protocol=scheme,
            security=security_for(f"{scheme}://", certificates),
            dashboard=False,
            # The engine serves figures over HTTP without asking who wants them: to this machine alone.
            dashboard_address="127.0.0.1:0",
        )
    except OSError as error:
        raise BenchError(
            f"a scheduler cannot listen on {address or 'this machine'}, port {port}: {error.strerror or error}; "
            "give another --port"
        ) from error
    try:
        where = address or "all addresses of this machine"
        name = address or platform.node()
        say(f"The scheduler listens on {where}, port {scheduler.port}: {scheme}://{name}:{scheduler.port}")
        await scheduler.finished()
    finally:
        await scheduler.close()
