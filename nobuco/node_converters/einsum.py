"""Einsum as transposes, reshapes and one matrix product a pair of operands, whatever its form."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import product_of, shape_of
from nobuco.node_converters.diagonal import diagonal_of

Labelled = tuple[Any, list[str]]  # a tensor, and a letter for each of its dims


def _is_written_out(call: Any) -> str | None:
    if isinstance(call.equation, str):
        return None
    return "einsum with index lists is not converted: write the equation as a string"


@builtin(
    torch.einsum,
    torch.functional.einsum,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=_is_written_out,
)
def einsum(equation, *operands):
    """`einsum("bi,ij->bj", x, y)`; the operands may come as one list, too."""

    def func(equation, *operands):
        tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
        return _einsum(equation.replace(" ", ""), tensors)

    return func


def _einsum(equation: str, tensors: Sequence[Any]) -> Any:
    terms, out = _spelled_out(equation, [len(x.shape) for x in tensors])
    left = [_without_ones(_diagonal(x, term), terms, tensors) for x, term in zip(tensors, terms, strict=True)]
    while len(left) > 1:
        first, second = _cheapest(left)
        a, b = left[first], left[second]
        left = [each for place, each in enumerate(left) if place not in (first, second)]
        needed = {*out, *(letter for _, letters in left for letter in letters)}
        left.append(_contracted(a, b, needed))
    x, letters = _summed(*left[0], set(out))
    return _arranged(x, letters, out, terms, tensors)


def _spelled_out(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """A letter for each dim of each operand, and of the outcome: `...` becomes letters, a missing outcome is written."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    dots = max(rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True))
    free = [letter for letter in string.ascii_letters if letter not in equation]
    shared = [f"{letter}." for letter in free[:dots]]

    def letters_of(term: str, rank: int | None) -> list[str]:
        before, dotted, after = term.partition("...")
        count = dots if rank is None else rank - len(before) - len(after)
        return [*before, *(shared[len(shared) - count :] if dotted else []), *after]

    spelled = [letters_of(term, rank) for term, rank in zip(terms, ranks, strict=True)]
    if arrow:
        return spelled, letters_of(right, None)
    every = [letter for term in spelled for letter in term]
    once = sorted(letter for letter in set(every) if every.count(letter) == 1 and letter not in shared)
    return spelled, [*(shared if "..." in left else []), *once]


def _diagonal(x: Any, letters: list[str]) -> Labelled:
    """One dim for those that bear the same letter."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            rest = [k for k in range(len(letters)) if k not in (i, j)]
            x = diagonal_of(x, 0, i, j)
            letters = [*(letters[k] for k in rest), letter]
    return x, letters


def _without_ones(operand: Labelled, terms: list[list[str]], tensors: Sequence[Any]) -> Labelled:
    """A dim of size 1 is repeated where its letter has another size elsewhere, so it is left out."""
    x, letters = operand
    others = {
        letter
        for term, tensor in zip(terms, tensors, strict=True)
        for letter, size in zip(term, tensor.shape.as_list(), strict=True)
        if size != 1
    }
    gone = [i for i, letter in enumerate(letters) if x.shape[i] == 1 and letter in others]
    kept = [letter for i, letter in enumerate(letters) if i not in gone]
    return (tf.squeeze(x, gone) if gone else x), kept


def _cheapest(operands: Sequence[Labelled]) -> tuple[int, int]:
    """Which two to multiply next: those with the smallest outcome; the first two where sizes are not known."""
    pairs = [(i, j) for i in range(len(operands)) for j in range(i + 1, len(operands))]

    def cost(pair: tuple[int, int]) -> int:
        sizes = {
            letter: size or 1
            for k in pair
            for letter, size in zip(operands[k][1], operands[k][0].shape, strict=True)
        }
        return product_of(sizes.values())

    return min(pairs, key=cost)


def _summed(x: Any, letters: list[str], needed: set[str]) -> Labelled:
    gone = [i for i, letter in enumerate(letters) if letter not in needed]
    return (tf.reduce_sum(x, gone) if gone else x), [each for each in letters if each in needed]


def _contracted(a: Labelled, b: Labelled, needed: set[str]) -> Labelled:
    x, x_letters = _summed(*a, needed | set(b[1]))
    y, y_letters = _summed(*b, needed | set(a[1]))
    batch = [each for each in x_letters if each in y_letters and each in needed]
    inner = [each for each in x_letters if each in y_letters and each not in needed]
    rows = [each for each in x_letters if each not in y_letters]
    columns = [each for each in y_letters if each not in x_letters]
    letters = [*batch, *rows, *columns]
    sizes = {
        **dict(zip(y_letters, shape_of(y), strict=True)),
        **dict(zip(x_letters, shape_of(x), strict=True)),
    }
    if not inner:
        return _placed(x, x_letters, letters) * _placed(y, y_letters, letters), letters

    def grouped(tensor: Any, order: list[str], *groups: list[str]) -> Any:
        tensor = _transposed(tensor, order, [each for group in groups for each in group])
        known = [sizes[each] for each in batch]
        return _reshaped(
            tensor, [*known, *(product_of(sizes[each] for each in group) for group in groups[1:])]
        )

    product = tf.matmul(
        grouped(x, x_letters, batch, rows, inner), grouped(y, y_letters, batch, inner, columns)
    )
    return _reshaped(product, [sizes[each] for each in letters]), letters


def _placed(x: Any, letters: list[str], wanted: list[str]) -> Any:
    """With dims of size 1 where a letter is not its own."""
    x = _transposed(x, letters, [each for each in wanted if each in letters])
    for axis, letter in enumerate(wanted):
        if letter not in letters:
            x = tf.expand_dims(x, axis)
    return x


def _transposed(x: Any, letters: list[str], wanted: list[str]) -> Any:
    return x if letters == wanted else tf.transpose(x, [letters.index(each) for each in wanted])


def _reshaped(x: Any, shape: list[Any]) -> Any:
    if x.shape.is_fully_defined() and x.shape.as_list() == shape:
        return x
    return tf.reshape(x, tf.stack(shape) if any(map(tf.is_tensor, shape)) else shape)


def _arranged(
    x: Any, letters: list[str], out: list[str], terms: list[list[str]], tensors: Sequence[Any]
) -> Any:
    """In the order of the outcome, with the dims of size 1 that were left out."""
    x = _placed(x, letters, out)
    missing = [letter for letter in out if letter not in letters]
    if not missing:
        return tf.identity(x)
    sizes = {
        letter: size
        for term, tensor in zip(terms, tensors, strict=True)
        for letter, size in zip(term, shape_of(tensor), strict=True)
    }
    shape = [
        sizes[letter] if letter in missing else size for letter, size in zip(out, shape_of(x), strict=True)
    ]
    return tf.broadcast_to(x, shape)
