"""Samples from a folder of images: which are taken, how they are scaled, and what is said of folders that will not do."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from bench.artifact import ModelVariant
from bench.artifacts import ArtifactCache
from bench.cli import main
from bench.converters.registry import get_converter
from bench.errors import BenchError
from bench.jobs.entry import JobFailed
from bench.jobs.image_files import CALIBRATION, CHECK, FEWEST, chosen_images, parted
from bench.jobs.image_samples import image_samples
from bench.lab.site import Lab
from bench.run import ZooOptions, zoo
from models_zoo import LoadedModel, ModelSpec, import_torchvision
from tests.bench.test_bench_precision import options


def draw(folder: Path, count: int, mode: str = "RGB", kind: str = "png", first: int = 0) -> list[Path]:
    """Different images of different sizes, in two folders."""
    made = []
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (3, 4, 3), np.uint8)
        image = Image.fromarray(pixels).resize((40 + number % 7, 30 + number % 5)).convert(mode)
        path = folder / f"class{number % 2}" / f"{number:03}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        made.append(path)
    return made


def of_shape(*shape: int, name: str = "mine") -> LoadedModel:
    return LoadedModel(name, torch.nn.Identity(), (torch.zeros(shape),), "own", 0)


@pytest.mark.parametrize(("count", "wanted"), [(32, (12, 20)), (164, (64, 100)), (500, (64, 100))])
def test_images_are_parted_without_overlap(count: int, wanted: tuple[int, int], tmp_path: Path) -> None:
    draw(tmp_path, count)
    chosen = chosen_images(tmp_path)
    calibration, check = parted(chosen)
    assert (len(calibration), len(check)) == wanted
    assert not set(calibration) & set(check)
    for part in (calibration, check):  # of both classes alike
        assert abs(sum(path.parent.name == "class0" for path in part) - len(part) / 2) <= 2
    assert chosen == chosen_images(tmp_path)


def test_the_same_image_is_not_taken_twice(tmp_path: Path) -> None:
    for number, path in enumerate(draw(tmp_path, 40)):
        (tmp_path / f"again{number}.png").write_bytes(path.read_bytes())
    chosen = chosen_images(tmp_path)
    assert len(chosen) == 40
    assert len({path.read_bytes() for path in chosen}) == 40


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not a folder"):
        chosen_images(tmp_path / "missing")
    with pytest.raises(BenchError, match="holds no image"):
        chosen_images(tmp_path)
    draw(tmp_path, FEWEST - 1)
    with pytest.raises(BenchError, match=rf"holds 31 images: give {CALIBRATION + CHECK}.*or 32 at least"):
        chosen_images(tmp_path)


def test_the_command_says_so_before_it_does_anything(tmp_path: Path) -> None:
    draw(tmp_path, 3)
    args = ["zoo", "--models", "slice_relu", "--converter", "nobuco", "--samples", str(tmp_path), "--out"]
    result = CliRunner().invoke(main, [*args, str(tmp_path / "out"), "--rounds", "1"])
    assert result.exit_code == 1
    assert "holds 3 images" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out" / "artifacts").exists()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "efficientnet_b0"])
def test_images_are_scaled_as_torchvision_does(name: str, tmp_path: Path) -> None:
    import_torchvision()
    from torchvision import models

    preset = models.get_model_weights(name).DEFAULT.transforms()  # pyright: ignore[reportAttributeAccessIssue]
    files = draw(tmp_path, 4)
    made = image_samples(of_shape(1, 3, *(preset.crop_size * 2), name=name), files)
    for (pixels,), file in zip(made, files, strict=True):
        with Image.open(file) as image:
            torch.testing.assert_close(pixels[0], preset(image.convert("RGB")), rtol=0, atol=0)


def test_other_sizes_and_one_channel(tmp_path: Path) -> None:
    files = draw(tmp_path, 4)
    for shape in [(1, 3, 8, 8), (1, 3, 90, 20), (1, 1, 20, 90)]:
        assert {tuple(each.shape) for (each,) in image_samples(of_shape(*shape), files)} == {shape}


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "png"), ("CMYK", "jpg"), ("P", "png"), ("RGBA", "png"), ("1", "png")]
)
def test_images_of_other_colours_become_what_the_model_takes(mode: str, kind: str, tmp_path: Path) -> None:
    files = draw(tmp_path, 2, mode, kind)
    made = image_samples(of_shape(1, 3, 16, 16), files)
    assert len(made) == 2 and torch.isfinite(made[0][0]).all()
    if mode == "L":  # the same in all channels, but for what they are scaled by
        grey = made[0][0][0] * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        grey = grey + torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        torch.testing.assert_close(grey[0], grey[1])


def test_images_that_cannot_be_taken_are_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.png"
    torn.write_bytes(draw(tmp_path, 1)[0].read_bytes()[:60])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    for file in (torn, text):
        with pytest.raises(JobFailed, match=rf"{file.name} is no image that can be read"):
            image_samples(of_shape(1, 3, 8, 8), [file])
    floats = tmp_path / "floats.tif"
    Image.fromarray(np.full((9, 9), 0.5, np.float32)).save(floats)
    with pytest.raises(JobFailed, match=r"floats.tif has pixels of mode F"):
        image_samples(of_shape(1, 3, 8, 8), [floats])
    with pytest.raises(JobFailed, match=r"takes \(1, 12\), which is not one image"):
        image_samples(of_shape(1, 12), [torn])


def test_what_is_made_from_other_images_lies_elsewhere(tmp_path: Path) -> None:
    spec = ModelSpec("slice_relu")
    draw(tmp_path / "a", 40)
    draw(tmp_path / "b", 40, first=100)
    folders = [
        ModelVariant(spec, "random", 0, each).folder_name for each in (None, tmp_path / "a", tmp_path / "b")
    ]
    assert len(set(folders)) == 3


def test_a_lab_does_not_take_them(tmp_path: Path) -> None:
    class Empty:
        def lacks(self, *_: object) -> bool:
            return True

    model = ModelVariant(ModelSpec("slice_relu"), "random", 0, tmp_path)
    said = Lab._made(
        cast("Lab", None),
        "run",
        ZooOptions(),
        cast("ArtifactCache", Empty()),
        model,
        [get_converter("nobuco")],
    )
    assert "lie on this machine alone: leave --samples or --lab out" in said["nobuco"]


def test_files_are_calibrated_and_judged_by_the_images(tmp_path: Path) -> None:
    draw(tmp_path / "images", 50)
    chosen: ZooOptions = options(tmp_path, precisions=["int8"], samples=tmp_path / "images")
    result = zoo(chosen)
    (row,) = result.groups[0].rows
    assert row.accuracy is not None and row.accuracy.alike_samples == 31
    (calibration,) = tmp_path.glob("artifacts/*/samples-*/calibration_0.npy")
    check = np.load(calibration.with_name("check_0.npy"))
    assert np.load(calibration).shape == (19, 1, 3, 8, 8) and check.shape == (31, 1, 3, 8, 8)
    expected = image_samples(of_shape(1, 3, 8, 8), parted(chosen_images(tmp_path / "images"))[1])
    np.testing.assert_array_equal(check, np.stack([each.numpy() for (each,) in expected]))
    draw(tmp_path / "others", 60, first=200)
    (other,) = zoo(options(tmp_path, precisions=["int8"], samples=tmp_path / "others")).groups[0].rows
    assert other.accuracy is not None and other.accuracy.alike_samples == 37, "it was taken for the same file"


def test_a_broken_photo_fails_no_file_of_half_precision(tmp_path: Path) -> None:
    broken = draw(tmp_path / "images", 40)[7]
    broken.write_bytes(broken.read_bytes()[:60])
    chosen = options(tmp_path, precisions=["fp16", "int8"], samples=tmp_path / "images")
    half, integers = (row for group in zoo(chosen).groups for row in group.rows)
    assert half.latency is not None, half.reason
    assert integers.reason is not None and f"{broken.name} is no image that can be read" in integers.reason
    assert "take it out of the folder" in integers.reason
