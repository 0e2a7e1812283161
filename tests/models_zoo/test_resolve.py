"""From names to models: no torch needed, and a wrong name is answered with near ones."""

import subprocess
import sys
from pathlib import Path

import pytest

import models_zoo
from models_zoo import ModelError, ModelSpec, UnknownModelError, resolve


def test_groups_hold_known_names() -> None:
    groups = models_zoo.groups()
    assert groups["readme"] == ["mobilenet_v3_large", "deeplabv3_resnet50", "slice_relu"]
    assert len(groups["common"]) == 8 and set(groups["common"]) <= set(groups["classification"])
    assert groups["all"] == models_zoo.names()
    assert {name for members in groups.values() for name in members} == set(models_zoo.names())


def test_names_and_groups_mix_and_repeat_once() -> None:
    specs = resolve(["resnet18", "readme", "mobilenet_v3_large"])
    assert [s.name for s in specs] == ["resnet18", "mobilenet_v3_large", "deeplabv3_resnet50", "slice_relu"]


def test_a_size_is_part_of_the_name_unless_it_is_the_models_own() -> None:
    specs = resolve(["resnet18@320", "resnet18@224", "vit_b_16", "inception_v3"], size=299)
    assert [s.name for s in specs] == ["resnet18@320", "resnet18", "vit_b_16@299", "inception_v3"]
    assert [s.size for s in specs] == [320, None, 299, None]
    assert len(resolve(["readme@128"])) == 3
    # Of what takes no images, or of one shape alone, there is no other size.
    assert [s.name for s in resolve(["unet", "hubert", "text_recogniser"], size=64)] == [
        "unet@64",
        "hubert",
        "text_recogniser",
    ]
    assert "mamba" in [s.name for s in resolve(["small@64"])]
    with pytest.raises(ModelError, match="hubert has one size alone, an input of 1x16000"):
        resolve(["hubert@64"])
    with pytest.raises(ModelError, match="after @ must be a number of pixels"):
        resolve(["resnet18@large"])


def test_user_file(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.touch()
    (spec,) = resolve([f"{file}:make"])
    assert spec == ModelSpec(f"{file}:make", file, "make")
    assert "/" not in spec.slug and ":" not in spec.slug


@pytest.mark.parametrize("typo, expected", [("mobilenetv3", "mobilenet_v3_large"), ("ReadMe", "readme")])
def test_unknown_name_suggests_near_ones(typo: str, expected: str) -> None:
    with pytest.raises(UnknownModelError, match=rf"{typo!r}.*did you mean .*{expected}"):
        resolve([typo])


def test_unknown_name_without_near_ones_lists_all() -> None:
    with pytest.raises(UnknownModelError, match=r"groups of models: readme.*bench models.*file\.py:factory"):
        resolve(["zzz"])


@pytest.mark.parametrize(
    "text, message",
    [
        ("absent.py:make", r"no file absent\.py"),
        ("absent.py", r"absent\.py:make_model"),
        ("absent.py:", "not the name of a function"),
        ("absent.py:1+1", "not the name of a function"),
    ],
)
def test_bad_file_spec(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        resolve([text])


def test_one_string_is_refused() -> None:
    with pytest.raises(TypeError, match="list of names"):
        resolve("resnet18")


def test_listing_does_not_import_torch() -> None:
    code = "import sys, models_zoo; models_zoo.resolve(['readme']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
