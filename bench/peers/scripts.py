"""How the scripts in this folder are run: each by the interpreter of its converter's environment."""

from pathlib import Path

from bench.fingerprints import files_digest

_HERE = Path(__file__).parent


def script_command(python: Path, script: str) -> list[str]:
    """The command line that runs a script, named by its file, with the interpreter `python`."""
    # -P: the script's own folder is no place to import from.
    return [str(python), "-P", str(_HERE / script)]


def script_digest(script: str) -> str:
    """Changes with the script."""
    return files_digest(_HERE / script)
