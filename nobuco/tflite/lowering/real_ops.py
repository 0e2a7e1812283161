"""All rules for ops on real tensors that TFLite lacks."""

from nobuco.tflite.lowering import (
    bessel_functions,
    integer_products,
    linear_algebra,
    narrow_integers,
    overwriting,
    parts,
    pooling,
    scans,
    scatters,
    special_functions,
    variables,
)
from nobuco.tflite.lowering.values import Rules

REAL = Rules(
    scans.REAL,
    scatters.REAL,
    narrow_integers.REAL,
    integer_products.REAL,
    parts.REAL,
    variables.REAL,
    overwriting.REAL,
    special_functions.REAL,
    bessel_functions.REAL,
    linear_algebra.REAL,
    pooling.REAL,
)
