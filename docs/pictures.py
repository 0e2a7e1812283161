"""Draws the pictures of the tutorial, and the curve of the page on precision: `python docs/pictures.py`.

The page's screenshots need chromium on the PATH.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import tensorflow as tf
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from torch import nn

import models_zoo
import nobuco
import nobuco.convert as convert_module
from nobuco import ChannelOrder, ChannelOrderingStrategy
from nobuco.show.console import print_tree

IMAGES = Path(__file__).parent / "images"
NORMAL = ((20, 24, 29), (213, 83, 15), (62, 207, 164), (240, 182, 74), (108, 182, 245), (231, 155, 207))
BRIGHT = ((130, 140, 150), (255, 138, 87), (62, 207, 164), (240, 182, 74), (108, 182, 245), (231, 155, 207))
CYAN, WHITE = (94, 200, 220), (226, 231, 236)
THEME = TerminalTheme(NORMAL[0], WHITE, [*NORMAL, CYAN, WHITE], [*BRIGHT, CYAN, WHITE])
EITHER = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS


class MyModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=(3, 3), padding=(1, 1), stride=(2, 2))

    def forward(self, x):
        x = self.conv(x)
        x = nn.Hardsigmoid()(x)
        x = 1 - x[:, ::2] * x[:, 1::2]
        return torch.special.hermite_polynomial_he(x, 3)


class Everything(nn.Module):
    """What the page has to show, in one model."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)
        self.register_buffer("offsets", torch.linspace(0, 1, 4))

    def forward(self, x):
        x = self.stem(x)
        x = self.block(torch.relu(self.block(x)))
        torch.softmax(x, dim=1)
        if x.abs().mean() > 0:
            x = F.hardsigmoid(x)
        x[:, 0] *= 2
        x = x.mean((2, 3))
        return self.head(x) + torch.exp(self.offsets)


def convert(module, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nobuco.pytorch_to_keras(
            module.eval(),
            args=[torch.rand(1, 3, 256, 256)],
            inputs_channel_order=ChannelOrder.TENSORFLOW,
            outputs_channel_order=ChannelOrder.TENSORFLOW,
            **options,
        )


def draw(name: str, title: str, report) -> None:
    console = Console(
        record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor", width=122
    )
    print_tree(report, console)
    svg = console.export_svg(title=title, theme=THEME)
    # no fonts from the network: whatever monospaced font there is
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    (IMAGES / name).write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def missing() -> None:
    """The conversion raises; what it would print is caught on the way."""
    reports = []
    shown, convert_module.print_tree = convert_module.print_tree, reports.append
    try:
        convert(MyModule())
    except nobuco.MissingConverterError:
        draw("missing.svg", "an op without a converter", reports[0])
    finally:
        convert_module.print_tree = shown


def wrong_hardsigmoid(input, inplace=False):
    return lambda input, inplace=False: tf.clip_by_value(0.2 * input + 0.5, 0, 1)


def right_hardsigmoid(input, inplace=False):
    return lambda input, inplace=False: tf.clip_by_value(input / 6 + 1 / 2, 0, 1)


def hermite(input, n):
    return lambda input, n: input**3 - 3 * input


def screenshot(page: Path, name: str, dark: bool) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--window-size=1400,760"]
        number = re.search(r'id="call-(\d+)"[^>]*data-status="inexact"', page.read_text(encoding="utf-8"))
        assert number is not None
        command += [f"--screenshot={IMAGES / name}", f"{page.as_uri()}#call-{number[1]}"]
        subprocess.run(command, check=True, capture_output=True)


def curve() -> None:
    """What "auto" tries on a network that has nothing to lose: random, its classes nearly ties."""
    loaded = models_zoo.load(models_zoo.resolve(["mobilenet_v3_small"], 64)[0])
    images = torch.cat([loaded.further_args(number)[0] for number in range(96)])
    model = nobuco.pytorch_to_keras(loaded.module, args=loaded.args, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "auto.tflite"
        written = nobuco.export_tflite(model, path, precision="auto", min_agreement=0.95, calibration=images)
        written.precision.save_curve(IMAGES / "auto.png")


def main() -> None:
    curve()
    torch.manual_seed(0)
    missing()
    nobuco.converter(torch.special.hermite_polynomial_he, channel_ordering_strategy=EITHER)(hermite)
    nobuco.converter(F.hardsigmoid, channel_ordering_strategy=EITHER)(wrong_hardsigmoid)
    draw("wrong.svg", "a formula that is not PyTorch's", convert(MyModule(), verbose=False).report)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "trace.html"
        convert(Everything(), verbose=False, save_trace_html=page)
        if shutil.which("chromium"):
            screenshot(page, "page-light.png", dark=False)
            screenshot(page, "page-dark.png", dark=True)
        else:
            print("no chromium: the page's screenshots stay as they are", file=sys.stderr)
    nobuco.converter(F.hardsigmoid, channel_ordering_strategy=EITHER)(right_hardsigmoid)
    draw("right.svg", "all is right", convert(MyModule(), verbose=False).report)


if __name__ == "__main__":
    main()
