"""Which tensor of the file is which of the model."""

import pytest

from bench.jobs.mapping import MappingError, Place, Tensor, match

IMAGE, LOGITS = (1, 3, 8, 9), (1, 10)


def test_shapes_decide_without_names() -> None:
    file = [Tensor("b", LOGITS), Tensor("a", (1, 8, 9, 3))]
    assert match("input", [IMAGE, LOGITS], file, "channels last") == [
        Place(1, (0, 1)),
        Place(0, (0, 2, 3, 1)),
    ]


def test_names_decide() -> None:
    file = [Tensor("output_1", IMAGE), Tensor("output_0", IMAGE)]
    places = match("output", [IMAGE, IMAGE], file, "channels first")
    assert [place.reference for place in places] == [1, 0]


@pytest.mark.parametrize("name", ["args_1", "serving_default_args_1:0", "serving_default_input_1:0"])
def test_the_names_of_other_converters_decide_too(name: str) -> None:
    file = [Tensor(name, LOGITS), Tensor(name.replace("1", "0", 1), LOGITS)]
    places = match("input", [LOGITS, LOGITS], file, "channels first")
    assert [place.reference for place in places] == [1, 0]


def test_the_last_one_left_needs_no_name() -> None:
    file = [Tensor("output_1", LOGITS), Tensor("out", LOGITS)]
    assert [p.reference for p in match("output", [LOGITS, LOGITS], file, "channels last")] == [1, 0]
    assert match("input", [IMAGE], [Tensor("x", (1, 8, 9, 3))], "channels last")[0].reference == 0


def test_an_input_that_the_model_does_not_use_may_be_missing() -> None:
    for name in ("input_1", "x"):
        places = match("input", [IMAGE, LOGITS], [Tensor(name, LOGITS)], "channels first")
        assert places == [Place(1, (0, 1))]


@pytest.mark.parametrize(
    "file",
    [
        [Tensor("a", LOGITS), Tensor("b", LOGITS)],
        [Tensor("a", LOGITS)],
        [Tensor("a", LOGITS), Tensor("b", LOGITS), Tensor("output_2", IMAGE)],
    ],
)
def test_place_alone_never_decides(file: list[Tensor]) -> None:
    with pytest.raises(MappingError, match=r"cannot tell which output .* neither names nor shapes"):
        match("output", [LOGITS, LOGITS, IMAGE], file, "channels first")


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(MappingError, match="two outputs of one name"):
        match("output", [LOGITS, LOGITS], [Tensor("output_0", LOGITS)] * 2, "channels last")


def test_equal_sizes_follow_the_converters_layout() -> None:
    cube = (1, 4, 4, 4)
    assert match("input", [cube], [Tensor(None, cube)], "channels last")[0].axes == (0, 2, 3, 1)
    assert match("input", [cube], [Tensor(None, cube)], "channels first")[0].axes == (0, 1, 2, 3)


def test_a_shape_that_no_layout_explains_is_named() -> None:
    with pytest.raises(MappingError, match=r"output 0 has the shape \(1, 10\) in PyTorch and \(1, 11\)"):
        match("output", [LOGITS], [Tensor(None, (1, 11))], "channels last")
