"""Options from a file: `[tool.bench]` of pyproject.toml, or bench.toml, in this folder or the nearest one
above.

A key is an option's long name (`rounds = 5`). In a table named after a command (`[tool.bench.zoo]`) it applies to
that command alone, else to every command that has the option. Lists stand for comma-separated values.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from bench.errors import BenchError


def settings_for(name: str, commands: Mapping[str, Callable[[], click.Command]]) -> dict[str, Any]:
    """The settings for one command.

    Args:
        name: The command.
        commands: All commands by name, as functions, because making one imports it.

    Returns:
        Click's default map: {parameter: value}.

    Raises:
        BenchError: The file cannot be read, or has an unknown key.
    """
    found = find_settings(Path.cwd())
    if found is None:
        return {}
    path, table = found
    general = {key: value for key, value in table.items() if not isinstance(value, dict)}
    for key, value in table.items():
        if isinstance(value, dict) and key not in commands:
            raise BenchError(f"{path}: there is no command {key!r}; commands: {', '.join(commands)}")
    own = table.get(name, {})
    options = _options(commands[name]())
    _check(path, f"[{name}] of ", own, options)
    if not general.keys() <= options.keys():
        _check(path, "", general, {key for make in commands.values() for key in _options(make())})
    chosen = {**general, **own}
    return {parameter: _value(chosen[key]) for key, parameter in options.items() if key in chosen}


def _options(command: click.Command) -> dict[str, str]:
    """Long name without dashes in front -> name of the parameter."""
    options = (p for p in command.params if isinstance(p, click.Option) and p.name)
    return {o.removeprefix("--"): str(p.name) for p in options for o in p.opts if o.startswith("--")}


def _check(path: Path, place: str, given: Iterable[str], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"options: {', '.join(sorted(known))}"
            raise BenchError(f"{place}{path}: unknown option {key!r}; {hint}")


def find_settings(start: Path) -> tuple[Path, dict[str, Any]] | None:
    """The nearest file with settings, from `start` upwards, and its table; None without one. Raises BenchError."""
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


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from error


def _value(value: Any) -> Any:
    return ",".join(str(item) for item in value) if isinstance(value, list) else value
