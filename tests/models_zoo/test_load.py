"""Loaded models: alive, reproducible, and leaving the process as it was."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from models_zoo import LoadedModel, ModelError, groups, import_torchvision, load, names, resolve
from models_zoo.building import build
from models_zoo.catalogue import ENTRIES
from models_zoo.random_weights import seeded_images, seeded_inputs
from models_zoo.small import MODELS as SMALL
from models_zoo.small import mamba


def _output(model: LoadedModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        output = model.module(images.clone())
    return output["out"] if isinstance(output, dict) else output


@pytest.mark.parametrize("name", [*groups()["readme"], *groups()["common"], "lraspp_mobilenet_v3_large"])
def test_outputs_are_finite_and_depend_on_the_input(name: str) -> None:
    model = load(resolve([name])[0])
    assert not model.module.training
    output = _output(model, seeded_images((3, *model.args[0].shape[1:]), seed=99))
    assert output.isfinite().all()
    assert 0.05 < output.std() < 50
    assert output.std(dim=0).mean() > 0.1 * output.std()


@pytest.mark.parametrize(
    "name",
    [
        "convnext_tiny@64",
        "fasterrcnn_mobilenet_v3_large_320_fpn@128",
        "mobilenet_v2@96",
        "r3d_18@56",
        "raft_small@128",
        "ssdlite320_mobilenet_v3_large@128",
        "swin_t@64",
        "vit_b_32@64",
        *groups()["small"],
    ],
)
def test_every_task_has_outputs_that_depend_on_the_input(name: str) -> None:
    model = load(resolve([name])[0])
    others = seeded_inputs([tuple(arg.shape) for arg in model.args], seed=99)
    with torch.no_grad():
        outputs, changed = (pytree.tree_leaves(model.module(*args)) for args in (model.args, others))
    for one, other in zip(outputs, changed, strict=True):
        assert one.isfinite().all() and (one - other).abs().max() > 1e-3 * one.abs().max() > 0


@pytest.mark.parametrize("name", groups()["small"])
def test_the_catalogue_tells_the_parameters_of_small_models(name: str) -> None:
    assert sum(p.numel() for p in SMALL[name]().parameters()) == ENTRIES[name].parameters


def test_windows_of_an_enlarger_see_their_own_place_alone() -> None:
    """A picture rolled by a window comes out rolled, but where the border of the picture is felt."""
    model = load(resolve(["swin2sr@64"])[0])
    (image,) = model.args
    with torch.no_grad():
        plain, rolled = model.module(image), model.module(image.roll((8, 8), (2, 3)))
    difference = (plain.roll((16, 16), (2, 3)) - rolled).abs().amax(1)[0]
    assert difference[64:72, 64:72].max() < 1e-4 < difference[:16, :16].max()


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_a_parallel_scan_is_the_loop(steps: int) -> None:
    kept, added = torch.rand(2, steps, 3, 4), torch.randn(2, steps, 3, 4)
    states = [torch.zeros(2, 3, 4)]
    for t in range(steps):
        states.append(kept[:, t] * states[-1] + added[:, t])
    assert torch.allclose(mamba.scan(kept, added), torch.stack(states[1:], 1), atol=1e-5)


def test_the_catalogue_has_all_of_torchvision_and_tells_their_parameters() -> None:
    models = import_torchvision().models
    known = {name for name in models.list_models() if not name.startswith("quantized_")}
    assert known == {name for name in names() if ENTRIES[name].group not in ("module", "small")}
    # On the meta device, where weights take no time; RegNets compute some of theirs.
    for name in sorted(known - {name for name in known if name.startswith("regnet")}):
        with torch.device("meta"):
            module = build(ENTRIES[name], trained=False)
        assert sum(p.numel() for p in module.parameters()) == ENTRIES[name].parameters, name


@pytest.mark.parametrize("name", ["squeezenet1_1@8", "vit_b_16@100", "maxvit_t@100", "raft_small@100"])
def test_a_size_that_a_model_cannot_have_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=name.replace("@", ".*")):
        load(resolve([name])[0])


def test_segmentation_output_is_a_dict_without_auxiliary_head() -> None:
    model = load(resolve(["lraspp_mobilenet_v3_large"])[0])
    with torch.no_grad():
        output = model.module(*model.args)
    assert list(output) == ["out"] and output["out"].shape == (1, 21, 256, 256)


_DIGEST = """
import hashlib, sys, torch, models_zoo
torch.set_num_threads(int(sys.argv[1]))
model = models_zoo.load(models_zoo.resolve(["mobilenet_v3_large"])[0], seed=3)
digest = hashlib.sha256(model.args[0].numpy().tobytes())
for value in model.module.state_dict().values():
    digest.update(value.numpy().tobytes())
print(digest.hexdigest())
"""


def test_same_seed_gives_same_bits_in_every_process() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", _DIGEST, n], capture_output=True, text=True, check=True).stdout
        for n in ("1", "2")
    ]
    assert runs[0] and runs[0] == runs[1]


def test_other_seed_gives_other_weights_and_inputs() -> None:
    spec = resolve(["squeezenet1_1"])[0]
    one, two = load(spec, seed=1), load(spec, seed=2)
    assert not torch.equal(one.args[0], two.args[0])
    assert not torch.equal(next(one.module.parameters()), next(two.module.parameters()))


def test_global_state_is_left_alone() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    load(resolve(["mobilenet_v2"])[0])
    assert torch.equal(state, torch.get_rng_state()) and threads == torch.get_num_threads()


def test_weights_are_named() -> None:
    assert load(resolve(["resnet18"])[0]).weights == "random"
    assert load(resolve(["slice_relu"])[0], weights="default").weights == "none"
    with pytest.raises(ModelError, match=r"'best'.*random, taught, default"):
        load(resolve(["resnet18"])[0], weights="best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ModelError, match=r"yolo: there are no trained weights.*'random'"):
        load(resolve(["yolo"])[0], weights="default")


def test_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(ModelError, match=r"resnet18: .*https.*unreachable.*weights 'random'"):
        load(resolve(["resnet18"])[0], weights="default")


def test_torchvision_runs_detection_too() -> None:
    models = import_torchvision().models
    detector = models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    with torch.no_grad():
        (found,) = detector([torch.rand(3, 320, 320)])
    assert set(found) == {"boxes", "scores", "labels"}


def test_further_inputs_are_images_too() -> None:
    loaded = load(resolve(["squeezenet1_1"])[0])
    (image,) = loaded.args
    others = [loaded.further_args(number) for number in (1, 2, 1)]
    assert all(other is not None and other[0].shape == image.shape for other in others)
    first, second, again = (other[0] for other in others if other)
    assert torch.equal(first, again)
    for one, two in ((image, first), (image, second), (first, second)):
        assert not torch.allclose(one, two, atol=0.1)
    # Neighbours are alike, as in no shuffled image: a network with random weights has no steady answer to white noise.
    for each in (image, first):
        assert torch.corrcoef(torch.stack([each[..., 1:].flatten(), each[..., :-1].flatten()]))[0, 1] > 0.8


def test_of_a_model_from_a_file_no_further_inputs_are_known(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from torch import nn\ndef make():\n    return nn.Flatten()\n")
    loaded = load(resolve([f"{file}:make"])[0])
    assert loaded.further_args(1) is None
