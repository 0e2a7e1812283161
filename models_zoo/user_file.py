"""A user's own model: `factory()` in a Python file. Its mistakes are reported with the line in that file."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models_zoo.errors import ModelError

_DEFAULT_SHAPE = (1, 3, 224, 224)


def load_user_model(file: Path, factory: str) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    """Import a file and make the model in it.

    Args:
        file: The file.
        factory: The function to call; it returns a module or (module, arguments).

    Returns:
        The module in evaluation mode, and its example arguments if there are any.

    Raises:
        ModelError: There is no such file or function, or it fails, or it returns something else; names the file,
            the line and the exception.
    """
    place = f"{file}:{factory}"
    with _on_path(file.resolve().parent):
        namespace = _execute(file)
        make = namespace.get(factory)
        if not callable(make):
            functions = [n for n, v in namespace.items() if callable(v) and not n.startswith("_")]
            raise ModelError(
                f"{place}: the file defines no function {factory!r}; it has {', '.join(functions) or 'none'}"
            )
        try:
            made = make()
        except (Exception, SystemExit) as error:
            raise ModelError(f"{place}: {_blame(error, file)}") from error
    return _checked(made, place)


def run_once(module: nn.Module, args: tuple[Tensor, ...], file: Path, factory: str) -> None:
    """Run the model on copies of its arguments, so that a mistake in it is not blamed on a converter.

    Args:
        module: The model.
        args: Its example arguments.
        file: Where it comes from, for the error.
        factory: The function that made it, for the error.

    Raises:
        ModelError: The model fails; names the file, the line and the exception.
    """
    try:
        with torch.no_grad():
            module(*(a.clone() for a in args))
    except (Exception, SystemExit) as error:
        shapes = ", ".join(str(tuple(a.shape)) for a in args)
        raise ModelError(
            f"{file}:{factory}: the model fails on its example arguments {shapes}: {_blame(error, file)}; "
            "return (module, (argument, ...)) from the factory to say what it takes"
        ) from error


def default_shape() -> tuple[int, ...]:
    """The input (B, C, H, W) given to a model whose factory names none."""
    return _DEFAULT_SHAPE


def _execute(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file (looked from {Path.cwd()})")
    # A name per path: two files called model.py must not share one module.
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"_user_model_{file.stem}_{digest}", file)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    # dataclasses and inspect look up a class's module here.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ModelError(f"{file}: {_blame(error, file)}") from error
    return vars(module)


def _checked(made: object, place: str) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    module, args = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        raise ModelError(f"{place}: must return a torch.nn.Module or (module, arguments), not {_kind(made)}")
    if args is None:
        return module.eval(), None
    if isinstance(args, dict) and all(isinstance(n, str) and isinstance(a, Tensor) for n, a in args.items()):
        module, args = KeywordArguments(module, list(args)), tuple(args.values())
    args = [args] if isinstance(args, Tensor) else args
    if not isinstance(args, tuple | list) or not all(isinstance(a, Tensor) for a in args):
        raise ModelError(
            f"{place}: the example arguments must be a tensor, a tuple of tensors, or a dict of them for arguments that "
            f"are passed by keyword; not {_kind(args)}"
        )
    return module.eval(), tuple(args)


class KeywordArguments(nn.Module):
    """A model that takes its arguments by keyword, as one that takes them in order: what all converters can call."""

    def __init__(self, module: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.module = module
        self.names = names

    def forward(self, *args: Tensor) -> Any:
        """The model's outputs for these arguments, in the order of the names."""
        return self.module(**dict(zip(self.names, args, strict=True)))


def _kind(value: object) -> str:
    """What a value is, with what is in it: `dict(x=Tensor, n=int)`; a tensor's numbers would tell nobody."""
    if isinstance(value, tuple | list):
        inside = ", ".join(type(part).__name__ for part in value)
    elif isinstance(value, dict):
        inside = ", ".join(f"{name}={type(part).__name__}" for name, part in value.items())
    else:
        return type(value).__name__
    return f"{type(value).__name__}({inside})"


def _blame(error: BaseException, file: Path) -> str:
    """`line 7: ValueError: message`, the line being the last one within the user's own file."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    own = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file.resolve()]
    own += [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    where = f"line {own[-1]}: " if own else ""
    return f"{where}{type(error).__name__}: {error}"


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours, as when it is run as a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
