"""Files of fewer bits: what they are made of, how far they are, and what is said where they cannot be good."""

import io
import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

import nobuco
from nobuco.tflite.precision import layers
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.judge import agreement, output_errors
from nobuco.tflite.precision.ranges import ranges_on
from nobuco.tflite.precision.recipe import RECIPES
from nobuco.tflite.precision.running import outputs_on
from tests.tflite.delegation import partitions_and_left
from tests.tflite.digits import DigitNet, digits, trained

CALIBRATION = digits(96, seed=3)[0]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return trained(DigitNet())


@pytest.fixture(scope="module")
def model(net: nn.Module) -> keras.Model:
    return nobuco.pytorch_to_keras(net, [digits(1, seed=4)[0]], verbose=False)


def exported(model: keras.Model, folder: Path, precision: Any, **options: Any) -> nobuco.ExportedTFLite:
    options.setdefault("calibration", CALIBRATION)
    return nobuco.export_tflite(model, folder / "m.tflite", precision=precision, **options)


def correct(file: nobuco.ExportedTFLite) -> float:
    """The share of 1,000 digits that a file tells."""
    images, labels = digits(1000, seed=2)
    samples = [[image[None]] for image in images.permute(0, 2, 3, 1).numpy()]
    found = [outputs[0].argmax() for outputs in outputs_on(file.path.read_bytes(), samples)]
    return float(np.mean(np.array(found) == labels.numpy()))


@pytest.fixture(scope="module")
def float_accuracy(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> float:
    found = correct(exported(model, tmp_path_factory.mktemp("float"), "fp32"))
    assert found > 0.9
    return found


@pytest.mark.parametrize(
    ("precision", "smaller", "kind"),
    [
        ("fp16", 0.7, "float32"),
        ("int8", 0.65, "int8"),
        ("int16x8", 0.65, "int16"),
        ("int8-dynamic", 0.55, "float32"),
        ("int8-weights", 0.55, "float32"),
        (nobuco.Recipe(engine="tensorflow"), 0.65, "int8"),
    ],
)
def test_digits_stay_right(
    model: keras.Model, float_accuracy: float, tmp_path: Path, precision: Any, smaller: float, kind: str
) -> None:
    file = exported(model, tmp_path, precision)
    assert abs(correct(file) - float_accuracy) <= 0.005
    assert file.precision is not None and file.precision.agreement >= 0.98
    assert file.precision.size_bytes == file.path.stat().st_size < smaller * file.precision.float_bytes
    convolutions = [row for row in file.info.rows if row.op in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    assert {row.output_types for row in convolutions} == {(kind,)}
    assert [str(tensor) for tensor in file.info.inputs] == ["x: float32 (1, 10, 10, 1)"]
    assert all(row.origins for row in convolutions)


def test_four_bits_cost_more_than_eight(model: keras.Model, tmp_path: Path) -> None:
    four, eight = (exported(model, tmp_path, f"{kind}-weights").precision for kind in ("int4", "int8"))
    assert four is not None and eight is not None
    assert four.size_bytes < eight.size_bytes and four.snr < eight.snr


def test_the_same_inputs_give_the_same_file(model: keras.Model, tmp_path: Path) -> None:
    one, two = (exported(model, tmp_path, "int8").path.read_bytes() for _ in range(2))
    assert one == two


def test_integer_inputs_and_outputs_on_request(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, "int8", integer_io=True)
    assert [tensor.dtype for tensor in (*file.info.inputs, *file.info.outputs)] == ["int8", "int8"]
    assert file.precision is not None and file.precision.agreement >= 0.98


def test_what_stays_float_is_told_with_the_reason(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, nobuco.Recipe(keep=("head",)))
    assert file.precision is not None
    stayed = {each.row.op: str(each) for each in file.precision.stayed_float}
    assert stayed.keys() == {"REDUCE_MAX", "FULLY_CONNECTED"}
    assert "Tensor.amax" in stayed["REDUCE_MAX"]
    assert "litert-quantizer has no int8 form of REDUCE_MAX" in stayed["REDUCE_MAX"]
    assert "head: F.linear" in stayed["FULLY_CONNECTED"] and "kept in float" in stayed["FULLY_CONNECTED"]
    assert "2 ops stayed float" in str(file.precision)


def test_what_is_slower_than_float_stays_float(tmp_path: Path) -> None:
    layers = nn.Sequential(nn.Conv2d(64, 64, 3, groups=64), nn.Conv2d(64, 64, 1)).eval()
    model = nobuco.pytorch_to_keras(layers, [torch.randn(1, 64, 8, 8)], verbose=False)
    file = exported(model, tmp_path, "int8-dynamic", calibration=None)
    bytes_of = {row.op: row.weight_bytes for row in file.info.rows}
    assert bytes_of["DEPTHWISE_CONV_2D"] >= 64 * 9 * 4 and bytes_of["CONV_2D"] < 64 * 64 * 2
    assert file.precision is not None
    (stayed,) = file.precision.stayed_float
    assert "XNNPACK takes DEPTHWISE_CONV_2D in float" in stayed.why


def test_rows_of_the_engines_own_recipe(model: keras.Model, tmp_path: Path) -> None:
    from litert_quantizer import recipe

    rows = [{**row, "regex": "wide"} for row in recipe.static_wi8_ai8()]
    file = exported(model, tmp_path, rows)
    types = {row.module_path: row.output_types for row in file.info.rows if row.op == "CONV_2D"}
    assert types == {"stem": ("float32",), "pointwise": ("float32",), "wide": ("int8",)}


# -- a layer that is wrong


def wide_head(net: nn.Module) -> nn.Module:
    """One of the classes never wins, by far: the range of all others is lost in its."""
    broken = DigitNet().eval()
    broken.load_state_dict(net.state_dict())
    with torch.no_grad():
        broken.head.bias[7] = -15_000
    return broken


def wide_channel(net: nn.Module) -> nn.Module:
    """One channel a thousand times as wide as the others, which the next layer takes back."""
    broken = DigitNet().eval()
    broken.load_state_dict(net.state_dict())
    with torch.no_grad():
        broken.wide[1].weight[3] *= 1000
        broken.wide[1].bias[3] *= 1000
        broken.head.weight[:, 3] /= 1000
    return broken


@pytest.mark.parametrize(
    ("fault", "named", "kept"),
    [(wide_head, "head", {"head"}), (wide_channel, "wide", {"wide", "head"})],
    ids=["the last layer", "between two"],
)
def test_the_faulty_layer_is_named_and_kept(
    net: nn.Module, tmp_path: Path, fault: Any, named: str, kept: set[str]
) -> None:
    model = nobuco.pytorch_to_keras(fault(net), [digits(1, seed=4)[0]], verbose=False)
    found = nobuco.accuracy(model, "int8", CALIBRATION)
    assert found.agreement < 0.5
    worst = found.layers[0]
    assert worst.row.module_path == named and worst.alone is not None and worst.alone < 10
    assert worst.tensor is not None and worst.tensor.worst_channel_snr < 1
    assert worst.tensor.high - worst.tensor.low > 1000

    mended = exported(model, tmp_path, "auto", min_agreement=0.99)
    assert mended.precision is not None and mended.precision.agreement >= 0.99
    stayed = [each for each in mended.precision.stayed_float if each.why == "kept in float"]
    assert {each.row.module_path for each in stayed} == kept and len(stayed) == len(kept)
    agreements = [step.agreement for step in mended.precision.steps]
    assert agreements[0] < 0.5 and agreements[-1] >= 0.99
    mended.precision.save_curve(tmp_path / "curve.svg")
    assert "</svg>" in (tmp_path / "curve.svg").read_text()
    named_in_float = exported(model, tmp_path, nobuco.Recipe(keep=found.keep))
    assert named_in_float.precision is not None and named_in_float.precision.agreement >= 0.99


def test_a_file_that_is_far_off_is_told_of(net: nn.Module, tmp_path: Path) -> None:
    model = nobuco.pytorch_to_keras(wide_head(net), [digits(1, seed=4)[0]], verbose=False)
    with pytest.warns(
        nobuco.PrecisionWarning, match=r"come out alike; most is lost in head: F\.linear"
    ) as told:
        file = exported(model, tmp_path, "int8")
    assert told[0].filename == __file__
    assert nobuco.accuracy(model, file, CALIBRATION).layers[0].row.module_path == "head"


def test_auto_keeps_nothing_where_nothing_is_wrong(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, "auto", min_agreement=0.95)
    assert file.precision is not None and file.precision.recipe.keep == () and len(file.precision.steps) == 1


def test_the_error_by_layer_stands_beside_the_calls(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, "int8")
    found = nobuco.accuracy(model, file, CALIBRATION)
    assert found.agreement >= 0.98 and found.keep == ()
    assert len(found.layers) == 9
    by_path = {layer.row.module_path: layer for layer in found.layers}
    assert [call.name for call in by_path["stem"].calls] == ["torch.conv2d", "F.batch_norm", "F.hardtanh"]
    stem = by_path["stem"].tensor
    assert stem is not None and stem.scale is not None and stem.clipped == 0
    assert stem.scale * 255 == pytest.approx(stem.high - stem.low, rel=1e-3)
    # alone a layer costs less than all of them together
    assert all(layer.alone is None or layer.alone > found.outputs[0].snr for layer in found.layers)
    console = Console(file=io.StringIO(), width=240)
    console.print(found)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("dB alone") == 8 and "stem: torch.conv2d, F.batch_norm, F.hardtanh" in shown
    found.save_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count('class="remark r-good"') == 9
    for figure in ("so_far", "alone"):
        found.save_node_data(tmp_path / "nodes.json", figure)
        nodes = json.loads((tmp_path / "nodes.json").read_text())
        tensors = {name for row in file.info.rows for name in row.output_names}
        assert len(nodes["results"]) >= 8 and set(nodes["results"]) <= tensors
        assert all(20 < each["value"] <= 100 for each in nodes["results"].values())
        assert [each["value"] for each in nodes["thresholds"]] == [10, 20, 100]
    with pytest.raises(ValueError, match="give 'so_far' or 'alone'"):
        found.save_node_data(tmp_path / "nodes.json", "both")
    # of a path it is told by the scales that stand in the file
    alone = [layer.alone for layer in nobuco.accuracy(model, file.path, CALIBRATION).layers]
    assert alone == [layer.alone for layer in found.layers]


def test_a_recipe_leaves_nothing_behind_for_the_next(model: keras.Model, tmp_path: Path) -> None:
    plain = exported(model, tmp_path, "fp32")
    data, info = plain.path.read_bytes(), plain.info
    samples = [[image[None]] for image in CALIBRATION[:16].permute(0, 2, 3, 1).numpy()]
    ranges = ranges_on(data, samples)
    engine = Engine(data, info, ranges)
    alone = [engine.quantised(RECIPES["int8"], only=[row]) for row in info.rows]
    assert engine.quantised(RECIPES["int8"]) == Engine(data, info, ranges).quantised(RECIPES["int8"])
    assert alone == [Engine(data, info, ranges).quantised(RECIPES["int8"], only=[row]) for row in info.rows]


def test_there_is_a_curve_of_auto_alone(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, "int8")
    assert file.precision is not None
    with pytest.raises(ValueError, match="only precision='auto' tries several files"):
        file.precision.save_curve(tmp_path / "curve.svg")


def test_layers_beyond_a_hundred_get_fewer_samples(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(
        layers, "outputs_on", lambda data, samples: counts.append(len(samples)) or [[np.ones(1)]]
    )
    monkeypatch.setattr(layers, "output_errors", lambda names, got, wanted: [SimpleNamespace(least=1.0)])
    engine = SimpleNamespace(quantised=lambda recipe, only: b"")
    info = SimpleNamespace(outputs=[])
    for rows in (20, 200, 2000):
        monkeypatch.setattr(layers, "quantised_rows", lambda *_, rows=rows: [None] * rows)
        layers.alone(engine, RECIPES["int8"], info, [[]] * 64, [[]] * 64)  # type: ignore[arg-type]
    assert counts == [32] * 20 + [16] * 200 + [8] * 2000


def test_values_that_a_scale_does_not_reach_are_counted(model: keras.Model, tmp_path: Path) -> None:
    file = exported(model, tmp_path, "int8")
    found = nobuco.accuracy(model, file, 3 * CALIBRATION)
    assert max(layer.tensor.clipped or 0.0 for layer in found.layers if layer.tensor) > 0.01


def test_a_file_of_another_model_is_refused(model: keras.Model, tmp_path: Path) -> None:
    other = nobuco.pytorch_to_keras(nn.Linear(3, 3).eval(), [torch.randn(1, 3)], verbose=False)
    file = nobuco.export_tflite(other, tmp_path / "other.tflite")
    with pytest.raises(ValueError, match="made from another model"):
        nobuco.accuracy(model, file, CALIBRATION)
    with pytest.raises(ValueError, match="has no report"):
        nobuco.accuracy(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), file, CALIBRATION)


# -- calibration


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    return nobuco.pytorch_to_keras(layers, [torch.randn(1, 3, 8, 8)], verbose=False)


def noise(count: int = 20) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def with_one(value: float) -> torch.Tensor:
    samples = noise()
    samples[3, 0, 0, 0] = value
    return samples


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (None, r"precision 'int8' needs calibration.*give calibration="),
        ([], "calibration holds no sample"),
        (3, "calibration is a int: give samples"),
        ([torch.randn(3, 8, 8)], "calibration is a single sample"),
        ([torch.ones(3, 8, 8)] * 20, "all 20 calibration samples are the same"),
        (with_one(float("nan")), "calibration sample 3 holds NaN in input"),
        (with_one(float("inf")), "calibration sample 3 holds infinity in input"),
        (
            noise()[..., :7],
            r"sample 0, input 'input': shape \(3, 8, 7\), where the file takes \(1, 8, 8, 3\)$",
        ),
        (noise().numpy(), "order of dims, which is taken from torch tensors only"),
        (noise().to(torch.uint8), "uint8 numbers, where the file takes float32: .* after all preprocessing"),
        ([{"picture": noise()}], "calibration sample 0 lacks input 'input': it has picture"),
        ([()], "calibration sample 0 has 0 arrays, the model takes 1"),
        ("no/such/folder", "no/such/folder is not a folder"),
    ],
)
def test_calibration_that_gives_no_scales(
    tiny: keras.Model, tmp_path: Path, calibration: Any, said: str
) -> None:
    with pytest.raises(nobuco.CalibrationError, match=said):
        exported(tiny, tmp_path, "int8", calibration=calibration)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (noise(5), "calibration has 5 different samples: .*fewer than 16"),
        (noise() * 100, r"goes from -\d+ to \d+ in input 'input', the example .* from -\d"),
        (noise() / 100, r"goes from -0.0\d+ to 0.0\d+ in input"),
    ],
)
def test_calibration_that_gives_doubtful_scales(
    tiny: keras.Model, tmp_path: Path, calibration: Any, said: str
) -> None:
    with pytest.warns(nobuco.CalibrationWarning, match=said) as told:
        exported(tiny, tmp_path, "int8", calibration=calibration)
    assert told[0].filename == __file__


def test_all_forms_of_samples_give_the_same_file(tiny: keras.Model, tmp_path: Path) -> None:
    samples = noise()
    labels = torch.arange(len(samples))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(samples, labels), batch_size=8)
    given = [
        samples,
        list(samples),
        loader,
        [(image, 3) for image in samples],
        [{"input": image[None]} for image in samples],
        samples.permute(0, 2, 3, 1).numpy().astype(np.float64),
    ]
    files = {exported(tiny, tmp_path, "int8", calibration=each).path.read_bytes() for each in given}
    assert len(files) == 1


def test_a_folder_of_images(tiny: keras.Model, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    folder = tmp_path / "images" / "deeper"
    folder.mkdir(parents=True)
    for number in range(20):
        pixels = random.integers(0, 256, (random.integers(9, 30), 24, 3)).astype(np.uint8)
        keras.utils.save_img(folder / f"{number}.png", pixels)
    file = exported(tiny, tmp_path, "int8", calibration=tmp_path / "images")
    assert file.precision is not None and file.precision.samples == 20
    (folder / "3.png").write_text("no image")
    with pytest.raises(nobuco.CalibrationError, match=r"3\.png is no image"):
        exported(tiny, tmp_path, "int8", calibration=tmp_path / "images")
    with pytest.raises(nobuco.CalibrationError, match="holds no image"):
        exported(tiny, tmp_path, "int8", calibration=Path(nobuco.__file__).parent / "show")


class Between(nn.Module):
    """A layer whose numbers are what `change` makes of them, hidden from the output by what follows."""

    def __init__(self, scale: float, bias: float = 0.0) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.copy_(scale * torch.eye(4))
                layer.bias.fill_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x) + torch.tanh(self.second(torch.relu(self.first(x))))


@pytest.mark.parametrize(
    ("scale", "bias", "said"),
    [
        (1.0, -1000.0, r"what first: .* is zero everywhere on the calibration samples"),
        (1e-17, 0.0, r"what first: .* vanishes"),
        (1e30, 0.0, r"what second.*F\.linear.* is infinite"),
    ],
)
def test_a_range_that_no_scale_stands_for_is_named(
    tmp_path: Path, scale: float, bias: float, said: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model = nobuco.pytorch_to_keras(Between(scale, bias).eval(), [torch.randn(1, 4)], verbose=False)
        with pytest.raises(nobuco.CalibrationError, match=said):
            exported(model, tmp_path, "int8", calibration=torch.randn(20, 4))
        file = exported(
            model,
            tmp_path,
            nobuco.Recipe(keep=("first", "second", "Between")),
            calibration=torch.randn(20, 4),
        )
    assert file.precision is not None and file.precision.snr > 20


# -- files that say nothing


class Overflows(nn.Module):
    """Its weights are more than half a float can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(4, 4), nn.Linear(4, 4)
        with torch.no_grad():
            self.up.weight.mul_(1e6)
            self.down.weight.mul_(1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.up(x))


def test_weights_beyond_half_a_float_are_named(tmp_path: Path) -> None:
    model = nobuco.pytorch_to_keras(Overflows().eval(), [torch.randn(1, 4)], verbose=False)
    with pytest.raises(nobuco.TFLiteExportError, match=r"weights of up: F\.linear.* reach .*e\+05"):
        exported(model, tmp_path, "fp16", calibration=None)
    assert not list(tmp_path.iterdir())
    kept = nobuco.Recipe("fp16", "float", keep=("up", "down"))
    assert exported(model, tmp_path, kept, calibration=None).precision.snr > 40  # type: ignore[union-attr]


def test_one_large_weight_that_the_samples_do_not_show(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Sigmoid())
    with torch.no_grad():
        net[0].weight[0, 0] = 1e5
    model = nobuco.pytorch_to_keras(net.eval(), [torch.randn(1, 8)], verbose=False)
    with pytest.raises(nobuco.TFLiteExportError, match=r"reach 1e\+05"):
        exported(model, tmp_path, "fp16", calibration=None)


# -- ops whose integer forms are slower, or do not run


class Through(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.first(x)))


def through(function: Any, folder: Path, **options: Any) -> nobuco.ExportedTFLite:
    torch.manual_seed(0)
    samples = [torch.randn(1, 3, 8, 8) for _ in range(16)]
    model = nobuco.pytorch_to_keras(Through(function).eval(), [samples[0]], verbose=False)
    return exported(model, folder, "int8", calibration=samples, **options)


FLOAT_ON_THE_WAY = {
    "mish": nn.functional.mish,
    "softplus": nn.functional.softplus,
    "normalize": lambda x: nn.functional.normalize(x, dim=1),
    "instance_norm": nn.functional.instance_norm,
    "layer_norm": lambda x: nn.functional.layer_norm(x, (8,)),
    "softmax": lambda x: x.softmax(1),
    "division": lambda x: x / (x.sigmoid() + 1),
    "average": lambda x: nn.functional.avg_pool2d(x, 3, 1, 1),
    "product": lambda x: x @ (x + 1).transpose(2, 3),
}


@pytest.mark.parametrize("name", FLOAT_ON_THE_WAY)
def test_what_is_slower_in_integers_stays_float_and_right(name: str, tmp_path: Path) -> None:
    file = through(FLOAT_ON_THE_WAY[name], tmp_path)
    assert partitions_and_left(file.path) == (1, [])
    assert file.precision is not None and file.precision.snr > 25

    assert any("slower kernels" in each.why or "has no" in each.why for each in file.precision.stayed_float)


def test_a_file_of_integers_throughout_has_them_there_too(tmp_path: Path) -> None:
    file = through(lambda x: x.softmax(1), tmp_path, integer_io=True)
    softmax = next(row for row in file.info.rows if row.op == "SOFTMAX")
    assert softmax.output_types == ("int8",)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.functional.max_pool2d(x, 3, 2, 1),
        lambda x: nn.functional.max_pool2d(x, (3, 2), 1, (1, 0), ceil_mode=True),
        lambda x: nn.functional.max_pool1d(x.flatten(2), 3, 2, 1)[..., None],
        lambda x: nn.functional.pad(x, (1, 0, 2, 1)),
        lambda x: torch.cat([*x.chunk(4, 1)[1:3]] * 2, 1),
        lambda x: torch.stack([*x.unbind(1)[2:6]] * 2, 1),
    ],
)
def test_paddings_and_parts(function: Any, tmp_path: Path) -> None:
    file = through(function, tmp_path)
    assert "PADV2" not in [row.op for row in file.info.rows]
    assert partitions_and_left(file.path) == (1, [])
    assert file.precision is not None and file.precision.snr > 25


def test_recurrent_layers_have_a_file_of_integers(tmp_path: Path) -> None:
    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 8, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(x)[0]

    samples = [torch.randn(1, 5, 4) for _ in range(16)]
    model = nobuco.pytorch_to_keras(Text().eval(), [samples[0]], verbose=False)
    file = exported(model, tmp_path, "int8", calibration=samples)
    assert file.precision is not None and file.precision.snr > 20


# -- what is asked of it


def test_what_there_is_nothing_of_to_keep_is_named(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(nobuco.TFLiteExportError, match=r"keep names 'pointwize', .*'pointwise'"):
        exported(model, tmp_path, nobuco.Recipe(keep=("pointwise", "pointwize")))
    with pytest.raises(nobuco.TFLiteExportError, match=r"keep names 'nope', .*there are 'stem'"):
        exported(model, tmp_path, nobuco.Recipe(keep=("nope",)))


class TwoHeads(nn.Module):
    """The second says little beside its bias, which is taken off again."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 2), nn.Linear(8, 2)
        self.register_buffer("off", torch.tensor([100.0, -100.0]))
        with torch.no_grad():
            self.two.weight.mul_(0.1)
            self.two.bias.copy_(self.off)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.one(x), self.two(x) - self.off


def test_auto_looks_at_all_outputs(tmp_path: Path) -> None:
    samples = [torch.randn(1, 8) for _ in range(32)]
    model = nobuco.pytorch_to_keras(TwoHeads().eval(), [samples[0]], verbose=False)
    file = exported(model, tmp_path, "auto", calibration=samples, min_agreement=0.9)
    assert file.precision is not None and file.precision.agreement >= 0.9
    assert file.precision.recipe.keep


def test_outputs_that_are_whole_numbers_agree_as_they_are() -> None:
    values, places = np.array([[3.0, 2.0, 1.0]]), np.array([[4, 2, 0]])
    other = np.array([[4, 0, 2]])
    assert agreement([[values, places]], [[values, places]]) == 1
    assert agreement([[values, other]], [[values, places]]) == 0


def test_infinite_outputs_are_judged_without_a_word_of_numpys(recwarn: pytest.WarningsRecorder) -> None:
    a = [np.array([1.0, -np.inf])]
    (found,) = output_errors(["a"], [a], [a])
    assert found.snr == np.inf
    assert not recwarn.list


def test_no_file_with_outputs_that_are_constant(tmp_path: Path) -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 8, bias=False)
            self.last = nn.Linear(8, 4)
            with torch.no_grad():
                self.first.weight[0] = 1000
                self.last.weight[:, 0] = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x))

    model = nobuco.pytorch_to_keras(Hidden().eval(), [torch.randn(1, 4)], verbose=False)
    with pytest.raises(
        nobuco.TFLiteMismatchError,
        match=r"whatever goes in.*no file was written; most is lost in first",
    ):
        exported(model, tmp_path, "int8", calibration=torch.randn(20, 4))
    assert not list(tmp_path.iterdir())


def test_a_tolerance_is_held(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(nobuco.TFLiteMismatchError, match="more than the tolerance of 1e-06"):
        exported(model, tmp_path, "int8", tolerance=1e-6)


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ("int3", "give fp32, auto, fp16, int8"),
        (8, "precision is a int"),
        (lambda: nobuco.Recipe("int4", "int8"), "no file has int4 weights with int8 activations"),
        (lambda: nobuco.Recipe(engine="tensorflow", keep=("a",)), "need the engine 'litert-quantizer'"),
        (lambda: nobuco.Recipe(keep="head"), "give a tuple"),
        (lambda: nobuco.Recipe(engine="onnx"), "engine is 'onnx'"),
    ],
)
def test_precision_that_there_is_not(tiny: keras.Model, tmp_path: Path, precision: Any, said: str) -> None:
    with pytest.raises(nobuco.TFLiteExportError, match=said):
        exported(tiny, tmp_path, precision() if callable(precision) else precision)


def test_without_the_engine_the_extra_is_named(
    tiny: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nobuco.tflite.precision import engine

    engine._modules.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "litert_quantizer", None)
    with pytest.raises(nobuco.TFLiteExportError, match=r"pip install 'nobuco\[quantize\]'"):
        exported(tiny, tmp_path, "fp16", calibration=None)
    engine._modules.cache_clear()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_agreement": 95}, "min_agreement is 95"),
        ({"min_agreement": float("nan")}, "min_agreement is nan"),
        ({"min_agreement": "0.9"}, "min_agreement is '0.9'"),
        ({"tolerance": "x"}, "tolerance is 'x'"),
        ({"target": 5}, "no target 5"),
        ({"prepare": True}, "prepare has True"),
        ({"precision": [{}]}, "lacks 'regex'"),
        ({"calibration": [torch.ones(0, 3, 8, 8)]}, r"sample 0, input .*\(0, 8, 8, 3\)|\(0, 3, 8, 8\)"),
    ],
)
def test_options_that_there_are_not(
    tiny: keras.Model, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    given = {"precision": "int8", "calibration": noise(), **options}
    with pytest.raises((ValueError, nobuco.TFLiteExportError, nobuco.CalibrationError), match=said):
        nobuco.export_tflite(tiny, tmp_path / "m.tflite", **given)


@pytest.mark.parametrize("keep", [None, "features", ("",), (1,)])
def test_what_no_module_is_called(keep: Any) -> None:
    with pytest.raises(nobuco.TFLiteExportError, match="keep"):
        nobuco.Recipe(keep=keep)


def test_samples_of_other_kinds_of_tensors(tiny: keras.Model, tmp_path: Path) -> None:
    samples = list(noise()[:, None])
    halves = [sample.bfloat16().float() for sample in samples]
    wanted = nobuco.export_tflite(tiny, tmp_path / "a.tflite", precision="int8", calibration=halves)
    for kind in ([each.bfloat16() for each in samples], [each.to_sparse() for each in halves]):
        found = nobuco.export_tflite(tiny, tmp_path / "b.tflite", precision="int8", calibration=kind)
        assert found.path.read_bytes() == wanted.path.read_bytes()
