"""TensorFlow's C++ side writes its progress to the process's stderr, past Python; here it is sorted.

Informative and warning lines of a call that succeeds are dropped, everything else is passed on.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(
    r"^(?:[IW]\d{4} \d\d:\d\d"  # absl: severity and date
    r"|[IW]0000 "  # the same before absl is initialised
    r"|E0000 .*(?:cuda|cudnn|cublas|cufft|computation_placer)"  # at TensorFlow's start, where there is no GPU
    r"|WARNING: All log messages before absl::InitializeLog\(\)"
    r"|To enable the following instructions:"
    r"|fully_quantize: \d+, inference_type:"
    r"|INFO: Created TensorFlow Lite XNNPACK delegate)",
    re.IGNORECASE,
)


@contextmanager
def without_native_noise(*, drop_on_error: bool = False) -> Iterator[None]:
    """Hold back what C++ code writes to stderr; afterwards pass on every line that is not known noise.

    `drop_on_error`: when the block raises, drop the lines: for a caller whose exception carries the same
    text. The redirection is the whole process's, so that other threads' lines are held back, and passed on,
    too.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    failed = True
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            if not (failed and drop_on_error):
                os.write(2, "".join(line for line in lines if not _NOISE.match(line)).encode())
