"""All forms, in the order in which they are tried, and the walk that puts them in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nobuco.tflite.forms import (
    concatenations,
    constants,
    depthwise,
    deviations,
    dilated,
    grouped,
    means,
    moves,
    patches,
    products,
    projections,
    ranks,
    shapes,
    slices,
    stacks,
    transposed_convolutions,
)
from nobuco.tflite.forms.form import Form
from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.lowering.rewrite import Walk, rewritten

# The first that fits an op is used. What sees more of the function stands before what sees one op: once the slices of a
# projection or of patches are done for one by one, nothing of the larger form is left to find.
FORMS: tuple[Form, ...] = (
    constants.FORM,
    projections.FORM,
    patches.FORM,
    slices.FORM,
    *stacks.FORMS,
    concatenations.FORM,
    means.FORM,
    depthwise.FORM,
    *transposed_convolutions.FORMS,
    deviations.FORM,
)

# Tried on what the forms above have made: those see dims as the model has them, and leave some of their own.
LATER: tuple[Form, ...] = (dilated.FORM, *products.FORMS, *shapes.FORMS, *ranks.FORMS, *moves.FORMS)

# The same for a GPU, where they may cost the CPU a little, and what only GPU delegates ask for.
LATER_FOR_GPU: tuple[Form, ...] = (
    dilated.FORM,
    grouped.FORM,
    *products.GPU_FORMS,
    *products.FORMS,
    *shapes.FORMS,
    *shapes.GPU_FORMS,
    *ranks.GPU_FORMS,
    *moves.GPU_FORMS,
)


def with_forms_for(function: Any, target: str | None) -> Any:
    """`function`, a ConcreteFunction, with each op in the form that costs the target least: "gpu", or the CPU."""
    return with_forms(with_forms(function), LATER_FOR_GPU if target == "gpu" else LATER)


def with_forms(function: Any, forms: Sequence[Form] = FORMS) -> Any:
    """`function`, a ConcreteFunction, with each op in the first form that fits; itself where none does."""
    by_type: dict[str, list[Form]] = {}
    for form in forms:
        for op_type in form.op_types:
            by_type.setdefault(op_type, []).append(form)
    return rewritten(function, lambda known: _Forming(known, by_type))


class _Forming(Walk):
    def __init__(self, known: dict[Any, Any], forms: dict[str, list[Form]]) -> None:
        super().__init__(known)
        self._forms = forms

    def inside(self, known: dict[Any, Any]) -> Walk:
        return _Forming(known, self._forms)

    def _form(self, op: Any) -> Form | None:
        return next((form for form in self._forms.get(op.type, ()) if form.fits(op)), None)

    def wants(self, op: Any) -> bool:
        return self._form(op) is not None

    def made(self, op: Any, inputs: Sequence[Any]) -> Any:
        form = self._form(op)
        return copied(op, inputs) if form is None else form.make(op, self.value)
