"""Options from a file: `[tool.bench]` of pyproject.toml, or bench.toml, in this folder or the nearest one
above.

A key is an option's long name (`rounds = 5`); in a table named after a command (`[tool.bench.zoo]`) it holds
for that command alone, else for every command that has the option. Lists stand for comma-separated values.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def load_settings(commands: Iterable[str]) -> dict[str, Any]:
    """Click's default map: {command: {option: value}}."""
    found = find_settings(Path.cwd())
    if found is None:
        return {}
    path, table = found
    names = list(commands)
    general = {_option(key): _value(value) for key, value in table.items() if not isinstance(value, dict)}
    for key, value in table.items():
        if isinstance(value, dict) and key not in names:
            raise BenchError(f"{path}: there is no command {key!r}; commands: {', '.join(names)}")
    return {
        name: {**general, **{_option(k): _value(v) for k, v in table.get(name, {}).items()}} for name in names
    }


def find_settings(start: Path) -> tuple[Path, dict[str, Any]] | None:
    """The file that holds settings and its table, or None."""
    for folder in (start, *start.parents):
        own = folder / "bench.toml"
        if own.is_file():
            return own, _read(own)
        project = folder / "pyproject.toml"
        if project.is_file():
            table = _read(project).get("tool", {}).get("bench")
            if table is not None:
                return project, table
    return None


def check_keys(path_words: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise BenchError for a key that is no option of any command that could take it."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise BenchError(f"{path_words}: unknown option {unknown[0]!r}; options: {', '.join(sorted(known))}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from error


def _option(key: str) -> str:
    return key.replace("-", "_")


def _value(value: Any) -> Any:
    return ",".join(str(item) for item in value) if isinstance(value, list) else value
