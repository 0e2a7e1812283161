"""HARD_SWISH in int8: taken by XNNPACK in parts, and as near to PyTorch as the op itself."""

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite.precision.running import outputs_on
from tests.tflite.delegation import partitions_and_left


def converted(net: nn.Module, example: torch.Tensor) -> keras.Model:
    return nobuco.pytorch_to_keras(
        net.eval(),
        [example],
        inputs_channel_order=ChannelOrder.PYTORCH,
        outputs_channel_order=ChannelOrder.PYTORCH,
        verbose=False,
    )


def ops_of(file: nobuco.ExportedTFLite) -> list[str]:
    return [row.op for row in file.info.rows]


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("shift", [-2.5, 0.0, 4.0])
def test_it_is_within_a_step_of_the_op_itself(spread: float, shift: float, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    samples = [torch.randn((1, 64, 64), generator=generator) * spread + shift for _ in range(16)]
    model = converted(nn.Hardswish(), samples[0])
    ours = nobuco.export_tflite(model, tmp_path / "a.tflite", precision="int8", calibration=samples)
    whole = nobuco.export_tflite(
        model, tmp_path / "b.tflite", precision="int8", calibration=samples, target="gpu"
    )
    assert "HARD_SWISH" not in ops_of(ours)
    assert "HARD_SWISH" in ops_of(whole)
    wanted = nn.functional.hardswish(samples[1]).numpy()
    errors = [
        np.abs(outputs_on(file.path.read_bytes(), [[samples[1].numpy()]])[0][0] - wanted)
        for file in (ours, whole)
    ]
    step = (wanted.max() - min(wanted.min(), 0)) / 255
    assert errors[0].max() <= errors[1].max() + 2 * step
    # more where all of x lies in the bend, which no layer's does
    times = 1.5 if (shift, spread) == (-2.5, 0.2) else 1.1
    assert np.sqrt((errors[0] ** 2).mean()) <= times * np.sqrt((errors[1] ** 2).mean())


@pytest.mark.parametrize("engine", ["litert-quantizer", "tensorflow"])
def test_the_delegate_takes_the_whole_file(engine: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Hardswish(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Hardswish(),
        nn.Conv2d(8, 4, 1),
    )
    samples = [torch.randn(1, 3, 16, 16) for _ in range(16)]
    file = nobuco.export_tflite(
        converted(net, samples[0]),
        tmp_path / "m.tflite",
        precision=nobuco.Recipe(engine=engine),
        calibration=samples,
    )
    assert "HARD_SWISH" not in ops_of(file)
    assert partitions_and_left(file.path) == (1, [])
    assert file.precision is not None and file.precision.snr > 25


def test_what_it_is_made_of_leads_back_to_the_call(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Hardswish(), nn.Conv2d(8, 4, 1))
    samples = [torch.randn(1, 3, 8, 8) for _ in range(16)]
    model = converted(net, samples[0])
    file = nobuco.export_tflite(model, tmp_path / "m.tflite", precision="int8", calibration=samples)
    made = [row for row in file.info.rows if row.op in ("ADD", "MUL")]
    assert [row.op for row in made] == ["MUL", "ADD", "MUL"]
    assert all(row.module_path.split(".")[-1] == "1" for row in made)


def test_one_that_is_kept_in_float_stays_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Hardswish(), nn.Conv2d(8, 4, 1), nn.Hardswish())
    samples = [torch.randn(1, 3, 8, 8) for _ in range(16)]
    recipe = nobuco.Recipe(keep=("1",))
    file = nobuco.export_tflite(
        converted(net, samples[0]), tmp_path / "m.tflite", precision=recipe, calibration=samples
    )
    assert ops_of(file).count("HARD_SWISH") == 1
    assert ops_of(file).count("MUL") == 2
