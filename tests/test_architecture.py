"""Who may import whom: ARCHITECTURE.md's table of rooms, held against the imports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nobuco", "bench", "devices", "models_zoo", "reports")


def rooms() -> dict[str, set[str]]:
    """For each room of the table (`nobuco/trace`, `bench/run.py`) the rooms that it may import."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = {}
    for room, allowed in re.findall(r"^\| `([\w/.]+)` \| ([^|]*) \| [^|]* \|$", text, re.MULTILINE):
        package = room.split("/")[0]
        names = [] if allowed.strip() in ("", "nothing") else allowed.replace("`", "").split(",")
        table[room] = {
            name.strip() if name.strip().split("/")[0] in PACKAGES else f"{package}/{name.strip()}"
            for name in names
        }
    return table


ROOMS = rooms()


def room_of(path: Path) -> str:
    """The room of a file or folder below the root: the longest entry of the table that it lies in."""
    name = path.as_posix()
    found = [room for room in ROOMS if name == room or name.startswith(f"{room}/")]
    return max(found, key=len, default=name)


def imported(file: Path) -> Iterator[Path]:
    """What a file imports of the five packages, at its top or inside its functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield _place(name.split("."))


def _place(parts: list[str]) -> Path:
    """The module, or the package, that a dotted name stands in."""
    while parts:
        path = Path(*parts)
        if (ROOT / path).is_dir():
            return path
        if (ROOT / path).with_suffix(".py").is_file():
            return path.with_suffix(".py")
        parts = parts[:-1]
    raise AssertionError("no such module")


def arrows() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT)
            if path == Path(package, "__init__.py"):
                continue  # a face: it names what is public
            for target in imported(file):
                pair = room_of(path), room_of(target)
                if pair[0] != pair[1]:
                    found.setdefault(pair, []).append(path.as_posix())
    return found


def test_only_the_arrows_of_the_table_exist():
    wrong = {
        f"{source} -> {target}": files
        for (source, target), files in arrows().items()
        if target not in ROOMS.get(source, set())
    }
    assert not wrong


def test_the_table_names_no_arrow_that_does_not_exist():
    there = set(arrows())
    assert not [f"{a} -> {b}" for a, allowed in ROOMS.items() for b in allowed if (a, b) not in there]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_lies_in_a_room(package):
    outside = [
        path.as_posix()
        for file in (ROOT / package).rglob("*.py")
        if room_of(path := file.relative_to(ROOT)) not in ROOMS and path != Path(package, "__init__.py")
    ]
    assert not outside


def test_no_room_imports_itself_through_others():
    for start in ROOMS:
        reached, pending = set(), list(ROOMS[start])
        while pending:
            room = pending.pop()
            assert room != start, f"{start} imports itself through others"
            if room not in reached:
                reached.add(room)
                pending += ROOMS.get(room, ())
