"""Libraries that end the process when they are loaded in the wrong order.

PyTorch built for CUDA brings Triton, whose library crashes when TensorFlow's has been loaded before it: both hold an LLVM.
PyTorch loads it when it is first needed, inside a forward call, say."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import sys
from pathlib import Path

_LIBRARY = Path("_C", "libtriton.so")
_log = logging.getLogger("nobuco")


def load_triton_before_tensorflow() -> None:
    """Load Triton's library, if there is one, while there is time. Where TensorFlow has been imported already, PyTorch is to
    find no Triton, which it can do without, but for compiling on GPUs."""
    if "triton" in sys.modules:
        return
    spec = importlib.util.find_spec("triton")
    if spec is None or spec.origin is None:
        return
    library = Path(spec.origin).parent / _LIBRARY
    if "tensorflow" in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
        _log.debug("TensorFlow was imported before Triton, which would crash: PyTorch goes without Triton")
    elif library.exists():
        ctypes.CDLL(str(library))
