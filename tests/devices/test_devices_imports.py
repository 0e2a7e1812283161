"""Which of the package's folders may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import devices

ROOT = Path(devices.__file__).parent
GROUND = "devices"
# Whatever stands in the package's own folder is the ground floor, on which the others stand.
ALLOWED = {
    GROUND: set[str](),
    "adb": {GROUND},
    "emulator": {GROUND, "adb"},
    "runners": {GROUND},
    "api": {GROUND, "adb", "emulator", "runners"},
}


def folder_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / parts[1]).is_dir() else GROUND


def imports_of(path: Path) -> set[str]:
    """Modules of this package that a file imports, at its top or within a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == GROUND:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == GROUND}
    return found


def test_folders_import_only_what_lies_beneath_them() -> None:
    wrong: list[str] = []
    for path in sorted(ROOT.rglob("*.py")):
        # The package's face names what it offers, and imports it when it is first used.
        if path == ROOT / "__init__.py":
            continue
        parts = path.relative_to(ROOT).parts
        here = parts[0] if len(parts) > 1 else GROUND
        for module in imports_of(path):
            there = folder_of(module)
            if there != here and there not in ALLOWED[here]:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []
