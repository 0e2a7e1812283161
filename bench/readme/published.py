"""The comparison that nobuco's original README published: models, rows, and its figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """One line of a published table, its figures as they were printed."""

    nobuco: str
    onnx_tf: str
    speedup: str


@dataclass(frozen=True)
class Place:
    """A row of every table: where and how a file runs."""

    title: str
    abis: tuple[str, ...]
    delegate: str


X86_ABIS, ARM_ABIS = ("x86_64",), ("arm64", "arm")

PLACES = (
    Place("x86 (XNNPACK)", X86_ABIS, "xnnpack"),
    Place("Arm CPU", ARM_ABIS, "cpu"),
    Place("Arm CPU (XNNPACK)", ARM_ABIS, "xnnpack"),
    Place("Arm GPU (OpenCL)", ARM_ABIS, "gpu-opencl"),
)

CONVERTERS = ("nobuco", "onnx-tf")

PUBLISHED: dict[str, dict[str, PublishedRow]] = {
    "mobilenet_v3_large": {
        "x86 (XNNPACK)": PublishedRow("11.1 ms", "14.7 ms", "1.3x"),
        "Arm CPU (XNNPACK)": PublishedRow("24.3 ms", "40.3 ms", "1.6x"),
        "Arm GPU (OpenCL)": PublishedRow("21.3 ms", "192.6 ms", "9x"),
    },
    "deeplabv3_resnet50": {
        "x86 (XNNPACK)": PublishedRow("1.25 s", "1.34 s", "1.07x"),
        "Arm CPU (XNNPACK)": PublishedRow("2.0 s", "2.7 s", "1.35x"),
        "Arm GPU (OpenCL)": PublishedRow("1.6 s", "2.6 s", "1.62x"),
    },
    "slice_relu": {
        "x86 (XNNPACK)": PublishedRow("0.40 ms", "1.57 ms", "3.9x"),
        "Arm CPU": PublishedRow("4.6 ms", "2.9 ms", "0.6x"),
        "Arm CPU (XNNPACK)": PublishedRow("2.1 ms", "FAIL", "—"),
        "Arm GPU (OpenCL)": PublishedRow("21.8 ms", "FAIL", "—"),
    },
}
"""By model and row; rows that were not published are missing."""
