"""TFLite's converter, fed in the way that suits the model's size."""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nobuco.tflite.signature import TracedModel

# Bytes of weights. Below, saving the model takes longer than it saves; above, a function with the weights inside would
# hold each about thirty times over.
_LARGE = 40_000_000


def converted(model: TracedModel, allow_flex: bool) -> bytes:
    """The `.tflite` file of a model; raises what TFLite's converter raises."""
    if sum(variable.shape.num_elements() * variable.dtype.size for variable in model.variables) < _LARGE:
        # tf.Module, not the Keras model: the function is frozen and needs no variables, and with the model at
        # hand the converter would save and load all of them (several times slower).
        return _convert(
            tf.lite.TFLiteConverter.from_concrete_functions([_frozen(model)], tf.Module()), allow_flex
        )
    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder)
        return _convert(tf.lite.TFLiteConverter.from_saved_model(folder), allow_flex)


def _convert(converter: Any, allow_flex: bool) -> bytes:
    converter.exclude_conversion_metadata = True  # it holds a time stamp; the file depends on the model alone
    converter.canonicalizing_inf_as_min_max_float = False  # an infinity is one, not the largest number
    if allow_flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert()


def _frozen(model: TracedModel) -> Any:
    """The model as a function with constants for its variables."""
    # Loops stay functions: taken apart, TFLite puts them together wrongly now and then.
    return model.named(convert_variables_to_constants_v2(model.function, lower_control_flow=False))


def _save(model: TracedModel, folder: str) -> None:
    holder: Any = tf.Module()
    holder.variables_ = model.variables
    tf.saved_model.save(
        holder,
        folder,
        signatures={"serving_default": model.named(model.function)},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )
