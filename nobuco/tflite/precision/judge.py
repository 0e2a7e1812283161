"""How far a quantised file's outputs are from the float file's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nobuco.validate.compare import relative_error

_ALIKE = 20.0  # dB; outputs that are no scores of classes agree when their signal is ten times their noise


@dataclass(frozen=True)
class OutputError:
    """One output over all samples, or one tensor.

    Attributes:
        snr: signal over noise in decibels, ``10 log10(sum(ref**2) / sum((got - ref)**2))``; infinite where both are equal.
        channel_snr: the same for the median of the channels (the last dim), which one wide channel does not hide.
        cosine: of the angle between the two, 1 where they point the same way.
        relative: ``max|got - ref| / max|ref|`` of the worst sample.
    """

    name: str
    snr: float
    channel_snr: float
    cosine: float
    relative: float

    @property
    def least(self) -> float:
        """The SNR that tells of both: of all, and of most channels."""
        return min(self.snr, self.channel_snr)

    def __str__(self) -> str:
        return f"{self.name}: SNR {self.least:.1f} dB, cosine {self.cosine:.5f}"


def output_errors(
    names: Sequence[str], got: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]]
) -> list[OutputError]:
    """Of each output; `got` and `wanted` hold a list of outputs a sample."""
    found = []
    for place, name in enumerate(names):
        pairs = [(g[place], w[place]) for g, w in zip(got, wanted, strict=True)]
        found.append(
            OutputError(
                name,
                snr([g for g, _ in pairs], [w for _, w in pairs]),
                _median_snr([g for g, _ in pairs], [w for _, w in pairs]),
                cosine([g for g, _ in pairs], [w for _, w in pairs]),
                max(relative_error(g, w) for g, w in pairs),
            )
        )
    return found


def snr(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """In decibels, over all arrays together."""
    signal = noise = 0.0
    for g, w in zip(got, wanted, strict=True):
        if g.shape != w.shape:
            return -math.inf
        w = w.astype(np.float64)
        signal += float(np.square(w).sum())
        noise += float(np.square(_off(g, w)).sum())
    return decibels(signal, noise)


def _median_snr(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    channels = wanted[0].shape[-1] if wanted[0].ndim > 1 else 1
    alike = all(
        g.shape == w.shape and w.size and w.shape[-1:] in ((), (channels,))
        for g, w in zip(got, wanted, strict=True)
    )
    if channels < 2 or not alike:
        return snr(got, wanted)
    g, w = (
        np.concatenate([a.astype(np.float64).reshape(-1, channels) for a in each]) for each in (got, wanted)
    )
    signal, noise = np.square(w).sum(axis=0), np.square(_off(g, w)).sum(axis=0)
    # of channels that are zero everywhere nothing can be said
    found = [decibels(s, n) for s, n in zip(signal, noise, strict=True) if s > 0]
    return sorted(found)[(len(found) - 1) // 2] if found else snr(got, wanted)


def _off(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """By how much; an infinity is not off from itself."""
    return np.subtract(got, wanted, out=np.zeros(wanted.shape), where=got != wanted, dtype=np.float64)


def decibels(signal: float, noise: float) -> float:
    if math.isnan(noise) or math.isinf(noise):
        return -math.inf
    if noise == 0 or math.isinf(signal):
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def cosine(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    dot = a = b = 0.0
    for g, w in zip(got, wanted, strict=True):
        if g.shape != w.shape:
            return 0.0
        g, w = g.astype(np.float64).ravel(), w.astype(np.float64).ravel()
        dot, a, b = dot + float(g @ w), a + float(g @ g), b + float(w @ w)
    return dot / math.sqrt(a * b) if a and b else float(a == b)


def agreement(got: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]]) -> float:
    """The share of samples that come out alike, at each of their outputs.

    Scores of classes, (batch, 2 or more), with the same class first; whole numbers as they are; anything else with an SNR of
    20 dB or more."""
    alike: list[bool] = []
    for g, w in zip(got, wanted, strict=True):
        each = [_alike(a, b) for a, b in zip(g, w, strict=True)]
        if len({len(rows) for rows in each}) == 1:
            alike += list(np.all(each, axis=0))
        else:
            alike.append(all(map(np.all, each)))
    return float(np.mean(alike))


def _alike(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Of each row of scores, else of the whole."""
    if got.shape != wanted.shape:
        return np.array([False])
    if not np.issubdtype(wanted.dtype, np.floating):
        return np.array([bool((got == wanted).all())])
    if wanted.ndim == 2 and wanted.shape[1] > 1:
        return np.argmax(got, axis=1) == np.argmax(wanted, axis=1)
    return np.array([snr([got], [wanted]) >= _ALIKE])


def broken(
    names: Sequence[str], got: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]]
) -> str:
    """What is wrong with outputs that say nothing of the inputs any more, "" where they do."""
    for place, name in enumerate(names):
        gots, wants = ([_flat(each[place]) for each in outputs] for outputs in (got, wanted))
        g, w = np.concatenate(gots), np.concatenate(wants)
        if not g.size or not np.isfinite(w).all():
            continue
        if not np.isfinite(g).all():
            return f"output {name!r} of the file is {'NaN' if np.isnan(g).any() else 'infinite'}, the float file's is not"
        spread = float(w.max() - w.min())
        if spread > 0 and g.max() == g.min():
            return f"output {name!r} of the file is {g.flat[0]:.3g} whatever goes in, the float file's is not constant"
        if len({len(each) for each in (*gots, *wants)}) > 1:  # at several sizes
            continue
        changes = float(np.ptp(np.stack(wants), axis=0).max())
        if changes > 0.1 * spread and all((each == gots[0]).all() for each in gots):
            return (
                f"output {name!r} of the file is the same whatever goes in, the float file's is not constant"
            )
    return ""


def _flat(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64).ravel()
