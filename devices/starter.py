"""Start a command as the child of a small process that dies with the one that asked for it.

Linux hands a process's peak memory down: exec counts the memory that was mapped before it, which after a fork or vfork is
the parent's, and ``ru_maxrss`` keeps the larger of both. A program started by a large process so reports a peak that it
never had. Only a fork by a small process begins anew; this one takes about 7 MB.

Run as a script, by ``HostDevice`` alone: ``starter.py PID COMMAND ARGUMENT...``. It imports little, to stay small.
"""

import ctypes
import os
import signal
import sys

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes for a command that is not there, or is no program: those of a shell."""
_PR_SET_PDEATHSIG = 1


def main(asked_by: int, command: list[str]) -> int:
    """Run ``command`` and return its exit code, 128 + N when signal N ended it."""
    _die_with(asked_by)
    this = os.getpid()
    child = os.fork()
    if not child:
        _die_with(this)
        _become(command)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(command: list[str]) -> None:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)


def _die_with(parent: int) -> None:
    """Be killed when the parent ends; a benchmark that goes on alone would disturb the next one."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


if __name__ == "__main__":
    # Without the interpreter's own tidying up, which would only take time.
    os._exit(main(int(sys.argv[1]), sys.argv[2:]))
