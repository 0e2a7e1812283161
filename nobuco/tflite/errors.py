"""What can go wrong on the way to a `.tflite` file and in reading one."""

from nobuco.errors import NobucoError


class TFLiteError(NobucoError):
    """Base of the errors of this package."""


class TFLiteFileError(TFLiteError):
    """A file cannot be read as a TFLite model, or cannot be written; the message names it and says why."""


class TFLiteExportError(TFLiteError):
    """TensorFlow Lite's converter refused the model; the message names the ops or the reason it gave."""


class TFLiteMismatchError(TFLiteError):
    """The `.tflite` model computes something else than the Keras model."""


class CalibrationError(TFLiteExportError):
    """What was given to find the scales of a quantised file from is nothing to find them from; the message says why."""


class CalibrationWarning(UserWarning):
    """Scales of a quantised file have been found from samples that are doubtful."""


class PrecisionWarning(UserWarning):
    """A quantised file is further from the float one than files of its kind usually are."""
