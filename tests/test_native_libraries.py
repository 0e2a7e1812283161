"""Triton is loaded before TensorFlow, or not at all."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nobuco import native_libraries
from nobuco.native_libraries import load_triton_before_tensorflow


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where a Triton is installed: the libraries that are loaded."""
    library = tmp_path / "triton" / "_C" / "libtriton.so"
    library.parent.mkdir(parents=True)
    library.touch()
    (tmp_path / "triton" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    found: list[str] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda path: found.append(Path(path).name))
    assert native_libraries.ctypes is ctypes
    return found


def test_it_is_loaded_first(loaded: list[str]) -> None:
    load_triton_before_tensorflow()
    assert loaded == ["libtriton.so"] and "triton" not in sys.modules


def test_after_tensorflow_it_is_not_found(loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    try:
        load_triton_before_tensorflow()
        assert not loaded
        with pytest.raises(ImportError):
            import triton  # noqa: F401  # pyright: ignore
    finally:
        sys.modules.pop("triton", None)


def test_what_is_loaded_stays(loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    triton = ModuleType("triton")
    monkeypatch.setitem(sys.modules, "triton", triton)
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    load_triton_before_tensorflow()
    assert not loaded and sys.modules["triton"] is triton


def test_without_one_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(native_libraries.importlib.util, "find_spec", lambda name: None)
    load_triton_before_tensorflow()
    assert "triton" not in sys.modules
