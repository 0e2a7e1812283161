"""Sizes at which a comparison that Python made in the traced run would have come out the other way."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from nobuco.contract.sites import Site
from nobuco.trace.sizes import Comparison

Key = tuple[Site, int]  # the line, and which of the comparisons there


def by_key(log: Sequence[Comparison]) -> dict[Key, Comparison]:
    counts: Counter[Site] = Counter()
    found = {}
    for each in log:
        if each.site is not None:
            found[each.site, counts[each.site]] = each
            counts[each.site] += 1
    return found


def undecided(runs: Sequence[dict[Key, Comparison]]) -> list[Key]:
    """The comparisons that sizes take part in, and that came out the same way in all runs."""
    found = []
    for key in dict.fromkeys(key for run in runs for key in run):
        made = [run[key] for run in runs if key in run]
        if len({each.margin for each in made}) > 1 and len({each.outcome for each in made}) == 1:
            found.append(key)
    return found


def crossings(margins: Mapping[int, float]) -> list[float]:
    """By which factors sizes are to be multiplied for a margin of zero; `margins` by the factors tried.

    A size, a product of two sizes and a ratio with a fixed number are a polynomial of the second degree in the factor."""
    if len(set(margins.values())) < 2:
        return []
    polynomial = np.polyfit(list(margins), list(margins.values()), len(margins) - 1)
    roots = np.roots(np.trim_zeros(np.round(polynomial, 6), "f"))
    return sorted(float(root.real) for root in roots if abs(root.imag) < 1e-9 and root.real > 0)


def brackets(margins: Sequence[tuple[float, float]]) -> list[float]:
    """Factors between two that were tried where the margin changes its sign; `margins` in pairs with a factor."""
    pairs = itertools.pairwise(sorted(margins))
    return [a + (b - a) * x / (x - y) for (a, x), (b, y) in pairs if x * y < 0]


def only_guards(site: Site) -> bool:
    """Whether the line is part of a check that stops the program when it fails: an assertion, or an `if` that raises."""
    return site.in_torch or any(first <= site.line <= last for first, last in _guards(site.file))


@cache
def _guards(file: str) -> tuple[tuple[int, int], ...]:
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            spans.append((node.lineno, node.end_lineno or node.lineno))
        elif isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse:
            spans.append((node.lineno, node.test.end_lineno or node.lineno))
    return tuple(spans)
