"""A launch's outputs: one file on the device, in which they lie one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from devices.errors import DeviceError
from devices.launches import LaunchRequest, scratch_name
from devices.protocol import Device
from devices.runners.tflite_io import TensorInfo

if TYPE_CHECKING:
    import numpy

_REMOVAL_SECONDS = 30.0


@contextmanager
def outputs_file(device: Device, request: LaunchRequest) -> Iterator[str]:
    """Path on the device for the outputs, gone when the block ends; empty when none are wanted."""
    if not request.want_outputs:
        yield ""
        return
    remote = f"{device.scratch}/{scratch_name(request, '.outputs')}"
    try:
        yield remote
    finally:
        device.run(["rm", "-f", remote], timeout=_REMOVAL_SECONDS)


def read_outputs(device: Device, remote: str, tensors: Sequence[TensorInfo]) -> list[numpy.ndarray]:
    """Fetch the outputs.

    Args:
        device: Where the launch ran.
        remote: The file it wrote; little-endian, without padding.
        tensors: Types and shapes, in the order of the file.

    Returns:
        One array per tensor, of its shape.

    Raises:
        DeviceError: The file cannot be fetched, or is too short.
    """
    import numpy

    with TemporaryDirectory() as folder:
        local = Path(folder) / "outputs"
        device.pull(remote, local)
        content = local.read_bytes()
    outputs, offset = [], 0
    for tensor in tensors:
        stored = numpy.dtype(tensor.dtype).newbyteorder("<")
        count = math.prod(tensor.shape)
        if offset + count * stored.itemsize > len(content):
            raise DeviceError(
                f"{device.name}: {remote} holds {len(content)} bytes, fewer than the model's outputs"
            )
        values = numpy.frombuffer(content, stored, count, offset)
        outputs.append(values.reshape(tensor.shape).astype(tensor.dtype))
        offset += count * stored.itemsize
    return outputs
