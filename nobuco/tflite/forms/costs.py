"""What layers cost on one device with and without a form, as measured there: a cost file.

Of most forms it is known that they are cheaper, of some only where. A cost file tells of those for each layer by its shape;
`bench tune` writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nobuco.tflite.errors import TFLiteExportError

_FORMAT = 1
_SHIPPED = Path(__file__).with_name("measured")


def shipped() -> dict[str, Path]:
    """The cost files that come with nobuco, by the name of the processor."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.json"))}


def signature(op: Any) -> str:
    """What an op's cost depends on: its kind, the shapes of what it reads, and how it goes over them."""
    shapes = " ".join(str(tuple(tensor.shape.as_list())) for tensor in op.inputs if tensor.shape.rank)
    named = [
        f"{name} {_words(op.get_attr(name))}"
        for name in ("strides", "padding", "dilations")
        if name in op.node_def.attr
    ]
    return ", ".join([f"{op.type} {shapes}", *named])


def _words(value: Any) -> str:
    return value.decode().lower() if isinstance(value, bytes) else "x".join(str(each) for each in value[1:3])


@dataclass(frozen=True)
class Cost:
    """Of one layer, in the unit of its file.

    Attributes:
        plain: as TFLite's converter makes it.
        formed: in the form.
        cheaper: whether the form was found to be cheaper, beyond what two measurements of one thing differ by.
    """

    plain: float
    formed: float
    cheaper: bool


@dataclass(frozen=True)
class Costs:
    """Costs of layers on a device.

    Attributes:
        device, delegate, threads, runtime: where they were measured.
        unit: "us", or "kinstr" (thousands of instructions, of an emulated machine).
        target: "arm" or "x86": what is said of it counts for layers that were not measured.
        optimize: what was measured: with "speed" forms that make the file larger, too.
        measured: the day and the command, of each model.
        layers: by the name of the form, then by `signature`.
    """

    device: str
    delegate: str
    threads: int
    runtime: str
    unit: Literal["us", "kinstr"]
    target: Literal["arm", "x86"]
    optimize: Literal["balanced", "speed"]
    measured: str
    layers: Mapping[str, Mapping[str, Cost]] = field(default_factory=dict)

    def cheaper(self, form: str, op: Any) -> bool | None:
        """Whether the form is the cheaper one for an op; None where it was not measured."""
        cost = self.layers.get(form, {}).get(signature(op))
        return None if cost is None else cost.cheaper

    @classmethod
    def read(cls, path: Path) -> Costs:
        """Raises TFLiteExportError where there is no cost file of this format."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT or content["target"] not in ("arm", "x86"):
                raise ValueError("it has another format")
            layers = content.pop("layers")
            return cls(
                **content,
                layers={
                    form: {key: Cost(**cost) for key, cost in costs.items()} for form, costs in layers.items()
                },
            )
        except OSError as error:
            raise TFLiteExportError(
                f"target {str(path)!r}: the cost file cannot be read: {error.strerror}"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TFLiteExportError(
                f"target {str(path)!r} is no cost file such as `bench tune` writes ({type(error).__name__}: {error})"
            ) from error
