"""The tensors of a quantised file beside those of the float file, over samples."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nobuco.per_layer.places import places_of
from nobuco.tflite.inspection import TFLiteOp
from nobuco.tflite.precision.judge import decibels
from nobuco.tflite.precision.running import Sample, parameters, tensors_on


@dataclass(frozen=True)
class TensorError:
    """One tensor of the quantised file, with all that was lost before it.

    Attributes:
        snr, worst_channel_snr: signal over noise in decibels, of the tensor and of the channel (its last dim) where it is
            lowest, among those with any signal.
        low, high: ends of the finite float values; NaN where there is none.
        scale, zero_point: of the quantised ones; None where they are float.
        clipped: share of the float values that lie outside what the scale reaches.
    """

    snr: float
    cosine: float
    worst_channel: int
    worst_channel_snr: float
    low: float
    high: float
    scale: float | None = None
    zero_point: int | None = None
    clipped: float | None = None


class _Sums:
    """What adds up over samples."""

    def __init__(self, ends: tuple[float, float] | None) -> None:
        self._ends = ends
        self._signal = self._noise = self._got = np.zeros(1)
        self._dot = 0.0
        self._low, self._high = math.inf, -math.inf
        self._count = self._outside = 0

    def add(self, got: np.ndarray, wanted: np.ndarray) -> None:
        channels = wanted.shape[-1] if wanted.ndim > 1 else 1
        g, w = (each.astype(np.float64).reshape(-1, channels) for each in (got, wanted))
        # an infinity is not off from itself, and no signal: masks are made of them
        off = np.subtract(g, w, out=np.zeros_like(w), where=(g != w) & ~(np.isnan(g) & np.isnan(w)))
        known = np.isfinite(w)
        g, w = np.where(known, g, 0.0), np.where(known, w, 0.0)
        self._signal = self._signal + np.square(w).sum(axis=0)
        self._noise = self._noise + np.square(off).sum(axis=0)
        self._got = self._got + np.square(g).sum(axis=0)
        self._dot += float((g * w).sum())
        self._low = min(self._low, float(w.min(where=known, initial=math.inf)))
        self._high = max(self._high, float(w.max(where=known, initial=-math.inf)))
        self._count += w.size
        if self._ends is not None:
            self._outside += int(((w < self._ends[0]) | (w > self._ends[1])).sum())

    def found(self, scale: float | None, zero_point: int | None) -> TensorError:
        by_channel = [decibels(s, n) for s, n in zip(self._signal, self._noise, strict=True)]
        live = [channel for channel, signal in enumerate(self._signal) if signal > 0] or [0]
        worst = min(live, key=lambda channel: by_channel[channel])
        signal, got = float(self._signal.sum()), float(self._got.sum())
        length = math.sqrt(signal * got)
        return TensorError(
            snr=decibels(signal, float(self._noise.sum())),
            cosine=self._dot / length if length else float(signal == got),
            worst_channel=worst,
            worst_channel_snr=by_channel[worst],
            low=self._low if self._low <= self._high else math.nan,
            high=self._high if self._low <= self._high else math.nan,
            scale=scale,
            zero_point=zero_point,
            clipped=None if self._ends is None else self._outside / max(self._count, 1),
        )


def tensor_errors(
    float_data: bytes,
    data: bytes,
    rows: Sequence[TFLiteOp],
    samples: Sequence[Sample],
    own_steps: Collection[float] = (),
) -> Mapping[str, TensorError]:
    """Of the first output of each of `rows`, ops of the float file, by the tensor's name; of those that both files have.

    `own_steps`: where integers have one of these, the float values are rounded as they are before they are compared."""
    places, scales = places_of(data), parameters(data)
    pairs = {row.name: (row.outputs[0], places[row.name]) for row in rows if row.name in places}
    rounded = {
        place: scales[place]
        for _, place in pairs.values()
        if place in scales and any(math.isclose(scales[place][0], each, rel_tol=1e-6) for each in own_steps)
    }
    sums = {name: _Sums(_ends(scales.get(place))) for name, (_, place) in pairs.items()}
    wanted = tensors_on(float_data, samples, [index for index, _ in pairs.values()])
    got = tensors_on(data, samples, [index for _, index in pairs.values()])
    for wanted_tensors, got_tensors in zip(wanted, got, strict=True):
        for name, (there, here) in pairs.items():
            w, g = wanted_tensors.get(there), got_tensors.get(here)
            if w is None or g is None:
                continue
            if w.size and w.shape == g.shape and np.issubdtype(w.dtype, np.floating):
                sums[name].add(g, _rounded(w, *rounded[here]) if here in rounded else w)
    found = {}
    for name, (_, place) in pairs.items():
        scale, zero_point, _ = scales.get(place, (None, None, None))
        if sums[name]._count:
            found[name] = sums[name].found(scale, zero_point)
    return found


def _rounded(array: np.ndarray, step: float, zero: int, kind: np.dtype) -> np.ndarray:
    """To what integers with this scale stand for."""
    limits = np.iinfo(kind)
    return (np.clip(np.round(array / step) + zero, limits.min, limits.max) - zero) * step


def _ends(scale: tuple[float, int, np.dtype] | None) -> tuple[float, float] | None:
    """What the integers reach, and half a step, which is rounded to them."""
    if scale is None:
        return None
    step, zero, kind = scale
    limits = np.iinfo(kind)
    return (limits.min - zero - 0.5) * step, (limits.max - zero + 0.5) * step
