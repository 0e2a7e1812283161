"""Which tensor of the file is which of the model."""

import pytest

from bench.jobs.mapping import MappingError, Place, Tensor, match

IMAGE, LOGITS = (1, 3, 8, 9), (1, 10)


def reference(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [Tensor(None, shape) for shape in shapes]


def test_position_decides_without_names() -> None:
    file = [Tensor("a", (1, 8, 9, 3)), Tensor("b", LOGITS)]
    assert match("input", reference(IMAGE, LOGITS), file, "channels last") == [
        Place(0, (0, 2, 3, 1)),
        Place(1, (0, 1)),
    ]


def test_names_decide_over_position() -> None:
    file = [Tensor("output_1", LOGITS), Tensor("output_0", IMAGE)]
    places = match("output", reference(IMAGE, LOGITS), file, "channels first")
    assert [place.reference for place in places] == [1, 0]


def test_the_models_own_names_decide_too() -> None:
    model = [Tensor("out", IMAGE), Tensor("aux", IMAGE)]
    file = [Tensor("aux", (1, 8, 9, 3)), Tensor("out", (1, 8, 9, 3))]
    assert [place.reference for place in match("output", model, file, "channels last")] == [1, 0]


def test_an_input_that_the_model_does_not_use_may_be_missing() -> None:
    places = match("input", reference(IMAGE, LOGITS), [Tensor("input_1", LOGITS)], "channels first")
    assert places == [Place(1, (0, 1))]


def test_without_names_a_missing_input_cannot_be_told() -> None:
    with pytest.raises(MappingError, match=r"1 inputs .*the model 2"):
        match("input", reference(IMAGE, LOGITS), [Tensor("x", LOGITS)], "channels first")


def test_equal_sizes_follow_the_converters_layout() -> None:
    cube = (1, 4, 4, 4)
    assert match("input", reference(cube), [Tensor(None, cube)], "channels last")[0].axes == (0, 2, 3, 1)
    assert match("input", reference(cube), [Tensor(None, cube)], "channels first")[0].axes == (0, 1, 2, 3)


def test_a_shape_that_no_layout_explains_is_named() -> None:
    with pytest.raises(MappingError, match=r"output 0 has the shape \(1, 10\) in PyTorch and \(1, 11\)"):
        match("output", reference(LOGITS), [Tensor(None, (1, 11))], "channels last")
