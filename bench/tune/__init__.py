"""The forms of a model's layers that are fastest on one device: measured layer by layer, then as a whole."""

from bench.tune.tuning import Tuned, TuneOptions, tune

__all__ = ["TuneOptions", "Tuned", "tune"]
