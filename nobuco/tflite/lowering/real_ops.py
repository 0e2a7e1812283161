"""All rules for ops on real tensors that TFLite lacks."""

from nobuco.tflite.lowering import (
    bessel_functions,
    linear_algebra,
    narrow_integers,
    overwriting,
    pieces,
    pooling,
    scans,
    scatters,
    special_functions,
)
from nobuco.tflite.lowering.values import Rules

REAL = Rules(
    scans.REAL,
    scatters.REAL,
    narrow_integers.REAL,
    overwriting.REAL,
    special_functions.REAL,
    bessel_functions.REAL,
    linear_algebra.REAL,
    pooling.REAL,
    pieces.REAL,
)
