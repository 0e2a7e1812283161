"""What layers were measured to take, kept from run to run: by device, runtime, delegate and threads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.fingerprints import digest_of
from bench.tune.layers import WAYS, Layer
from devices.cache import cache_folder


class Memory:
    """The figures of one place.

    Args:
        place: All that they depend on besides the layer: device, runtime, delegate, threads, cores.
    """

    def __init__(self, place: dict[str, Any]) -> None:
        self.place = place
        self.path: Path = (
            cache_folder("tune") / f"{digest_of(*(f'{k}={v}' for k, v in sorted(place.items())))}.json"
        )

    def recall(self, layers: Iterable[Layer]) -> int:
        """Give layers the figures that are known; returns of how many some are. Raises BenchError for a file of others."""
        known, found = self._read(), 0
        for layer in layers:
            for way in WAYS:
                values = known.get(_key(layer), {}).get(way, {})
                layer.figures[way].update({int(number): float(value) for number, value in values.items()})
            found += any(layer.figures.values())
        return found

    def keep(self, layers: Iterable[Layer]) -> None:
        """Add the figures of these layers to what is known. Raises BenchError where that cannot be written."""
        known = self._read()
        known.update({_key(layer): layer.figures for layer in layers if any(layer.figures.values())})
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            partial.write_text(json.dumps({"place": self.place, "layers": known}, indent=1), encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise BenchError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))["layers"]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{self.path}: cannot be read ({error}); remove it to measure again") from error


def _key(layer: Layer) -> str:
    return f"{layer.form}: {layer.layer}"
