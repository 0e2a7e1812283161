"""What TFLite has no ops for, expressed by what it has: complex numbers as pairs, doubles as floats, transforms and
special functions by arithmetic. The Keras model keeps TensorFlow's own ops; its function is rewritten on export."""

from nobuco.tflite.lowering.rewrite import Lowered, lower
from nobuco.tflite.lowering.values import Impossible

__all__ = ["Impossible", "Lowered", "lower"]
