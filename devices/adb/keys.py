"""The key by which devices know this computer: the user's own adb key, made when there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from devices.errors import DeviceError


def key_path() -> Path:
    """Where adb itself keeps its key: ``$ANDROID_USER_HOME`` or ``~/.android``."""
    home = os.environ.get("ANDROID_USER_HOME")
    return (Path(home) if home else Path.home() / ".android") / "adbkey"


def load_signer() -> Any:
    """adb-shell's signer for the user's key, which is made, readable by the user alone, when there is none."""
    from adb_shell.auth.keygen import keygen, write_public_keyfile
    from adb_shell.auth.sign_pythonrsa import PythonRSASigner
    from filelock import FileLock

    path = key_path()
    public = path.with_name(path.name + ".pub")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with FileLock(path.with_name(".adbkey.lock")):
            if not path.exists():
                fresh = path.with_name(f".adbkey-{os.getpid()}")
                keygen(str(fresh))
                fresh.chmod(0o600)
                fresh.with_name(fresh.name + ".pub").replace(public)
                fresh.replace(path)
            elif not public.exists():
                write_public_keyfile(str(path), str(public))
        return PythonRSASigner.FromRSAKeyPath(str(path))
    except OSError as error:
        raise DeviceError(
            f"cannot read or make the adb key {path}: {error.strerror}; correct its permissions, or set "
            "ANDROID_USER_HOME to a folder for it"
        ) from error
    except ValueError as error:
        raise DeviceError(
            f"the adb key {path} cannot be read ({error}); move it away, a new one will be made"
        ) from error
