"""All forms, in the order in which they are tried, and the walk that puts them in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nobuco.tflite.forms import (
    averages,
    concatenations,
    constants,
    depthwise,
    deviations,
    dilated,
    enlarging,
    gates,
    gathers,
    grouped,
    masks,
    means,
    mixtures,
    moves,
    necks,
    paddings,
    patches,
    products,
    projections,
    ranks,
    reordering,
    repeated_parts,
    repetitions,
    rows,
    shapes,
    shuffles,
    slices,
    softmaxes,
    splits,
    stacks,
    strides,
    taps,
    transposed_convolutions,
    transposes,
    turned_products,
    turns,
    volumes,
    winograd,
)
from nobuco.tflite.forms.aim import Aim
from nobuco.tflite.forms.costs import Costs
from nobuco.tflite.forms.form import Form
from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.lowering.rewrite import Walk, rewritten

# The first that fits an op is used. What sees more of the function stands before what sees one op: once the slices of a
# projection or of patches are done for one by one, nothing of the larger form is left to find.
FORMS: tuple[Form, ...] = (
    constants.FORM,
    projections.FORM,
    patches.FORM,
    necks.FORM,
    slices.FORM,
    *stacks.FORMS,
    transposes.JOINED,
    concatenations.FORM,
    repeated_parts.FORM,
    means.FORM,
    shuffles.FORM,
    *reordering.FORMS,
    dilated.OF_TWO,
    depthwise.FORM,
    strides.FORM,
    volumes.FORM,
    *transposed_convolutions.FORMS,
    deviations.FORM,
    paddings.ZEROS,
    paddings.OTHERS,
    splits.FORM,
    repetitions.FORM,
    softmaxes.FORM,
    enlarging.FORM,
)

# Those of them that GPU delegates need in a way of their own, or not at all.
FOR_GPU = {necks.FORM: necks.GPU_FORM}
NOT_FOR_GPU = (strides.FORM, paddings.OTHERS, repetitions.FORM, softmaxes.FORM, enlarging.FORM)

# Tried then: what takes transposes away, those of the model and those that the forms above have made. A product between two
# of them comes before those by themselves.
TRANSPOSES = (mixtures.FORM, turned_products.FORM, *transposes.FORMS, *rows.FORMS)
TRANSPOSES_FOR_GPU = (turned_products.FORM, *transposes.GPU_FORMS, *rows.GPU_FORMS)

# Tried last, on what the forms above have made: those see dims as the model has them, and leave some of their own.
LATER: tuple[Form, ...] = (
    dilated.FORM,
    *taps.FORMS,
    *products.FORMS,
    *shapes.FORMS,
    *ranks.FORMS,
    *moves.FORMS,
)

# The same where it is said that no GPU is to run the file.
LATER_FOR_CPU = (dilated.FORM, *taps.FORMS, *products.CPU_FORMS, *shapes.FORMS, *ranks.FORMS, *moves.FORMS)

# The same for a GPU, where they may cost the CPU a little, and what only GPU delegates ask for.
LATER_FOR_GPU: tuple[Form, ...] = (
    dilated.FORM,
    taps.IDLE,
    grouped.FORM,
    *averages.GPU_FORMS,
    *products.GPU_FORMS,
    *turns.GPU_FORMS,
    *products.FORMS,
    *shapes.FORMS,
    *shapes.GPU_FORMS,
    *softmaxes.GPU_FORMS,
    *gathers.GPU_FORMS,
    *ranks.GPU_FORMS,
    *shapes.LAST_GPU_FORMS,
    *moves.GPU_FORMS,
)


# Those that take a sum apart, whose parts integers would round.
PARTED = (necks.FORM, taps.PARTED)


# Channels from which on Winograd's convolutions are cheaper; wherever a file may run, those that are cheaper everywhere.
WINOGRAD = {"arm": winograd.form(64), "x86": winograd.form(128), "cpu": winograd.form(128)}

# Forms that are better on some devices or for some layers only, which a cost file decides on, by the names they have there.
CHOICES: dict[str, Form] = {
    "bands": depthwise.FORM,
    "tiles": transposed_convolutions.FORMS[0],
    "tanh gates": gates.FORM,
    "whole strides": strides.TRIED,
    "winograd": winograd.form(16),
}

# Those of the first forms that no cost file decides on.
CERTAIN = tuple(form for form in FORMS if form not in (*CHOICES.values(), strides.FORM))


def early_forms(aim: Aim) -> tuple[Form, ...]:
    """Those that are tried first."""
    if aim.target == "gpu":
        left_out = (*NOT_FOR_GPU, *(PARTED if aim.integers else ()))
        return (*masks.GPU_FORMS, *(FOR_GPU.get(form, form) for form in FORMS if form not in left_out))
    chosen = {strides.FORM: strides.ARM_FORM} if aim.target == "arm" else {}
    if aim.costs is not None:
        chosen.update(_decided(aim.costs, chosen.get(strides.FORM, strides.FORM)))
    return tuple(chosen.get(form, form) for form in FORMS if not (aim.integers and form in PARTED))


def _decided(costs: Costs, usual_strides: Form) -> dict[Form, Form]:
    """What a cost file makes of the forms that it decides on."""
    tiles, after_tiles = transposed_convolutions.FORMS

    def fits_after(op: Any) -> bool:
        before = transposed_convolutions.tiled_before(op)
        return before is not None and costs.cheaper("tiles", before) is not False

    return {
        depthwise.FORM: _chosen("bands", depthwise.FORM, costs),
        tiles: _chosen("tiles", tiles, costs),
        after_tiles: replace(after_tiles, fits=fits_after),
        strides.FORM: _chosen("whole strides", strides.TRIED, costs, usual_strides.fits),
    }


def transpose_forms(aim: Aim) -> tuple[Form, ...]:
    """Those that take transposes away, for what the file is made for."""
    return TRANSPOSES_FOR_GPU if aim.target == "gpu" else TRANSPOSES


def later_forms(aim: Aim) -> tuple[Form, ...]:
    """Those that are tried on what `early_forms` have made, for what the file is made for."""
    if aim.target == "gpu":
        return LATER_FOR_GPU
    forms = tuple(
        form
        for form in (LATER if aim.target is None else LATER_FOR_CPU)
        if not (aim.integers and form in PARTED)
    )
    if aim.target == "arm" or aim.costs is not None:
        forms = (_at_will("tanh gates", gates.FORM if aim.target == "arm" else None, aim), *forms)
    if aim.optimize == "speed" and not aim.integers:
        forms = (_at_will("winograd", WINOGRAD[aim.target or "cpu"], aim), *forms)
    return forms


def _at_will(name: str, usual: Form | None, aim: Aim) -> Form:
    """The form that is usual for the target, or as the cost file has it, and as is usual where that says nothing."""
    if aim.costs is None:
        assert usual is not None
        return usual
    return _chosen(name, CHOICES[name], aim.costs, usual.fits if usual is not None else lambda op: False)


def _chosen(name: str, form: Form, costs: Costs, usual: Callable[[Any], bool] = lambda op: True) -> Form:
    def fits(op: Any) -> bool:
        if not form.fits(op):
            return False
        cheaper = costs.cheaper(name, op)
        return usual(op) if cheaper is None else cheaper

    return replace(form, fits=fits)


def with_forms_for(function: Any, aim: Aim) -> Any:
    """`function`, a ConcreteFunction, with each op in the form that costs least where the file is to run."""
    for forms in (early_forms(aim), transpose_forms(aim), later_forms(aim)):
        function = with_forms(function, forms)
    return function


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
