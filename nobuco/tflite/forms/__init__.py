"""Cheaper forms of what a model computes: the same values from ops that kernels and delegates do faster.

Each file is one form, with what it makes of what in its docstring; `ordered.py` lists them. Forms are put in place on
export; the Keras model stays as it is."""

from nobuco.tflite.forms.aim import Aim, Optimize, Target
from nobuco.tflite.forms.branches import without_branches
from nobuco.tflite.forms.ordered import with_forms, with_forms_for

__all__ = ["Aim", "Optimize", "Target", "with_forms", "with_forms_for", "without_branches"]
