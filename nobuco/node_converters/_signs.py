"""Factorisations that are right with either sign of a vector: which of the two comes out is up to the library.

A column of U may be turned round if the same row of Vh is (for complex numbers: turned by any angle), for their product
stays; so may an eigenvector, and a column of Q with its row of R. What a program makes of them should not depend on it, as
`U @ S @ Vh` does not; where it does, the finished model shows it. So single calls are compared up to these signs."""

from __future__ import annotations

import numpy as np

Arrays = list[np.ndarray]


def of_singular_vectors(ours: Arrays, theirs: Arrays) -> Arrays:
    """U, S, Vh. Beyond the number of singular values, vectors only complete a basis, and any will do."""
    (u, s, vh), (other_u, _, other_vh) = ours, theirs
    count = s.shape[-1]
    turn = _turns(u[..., :count], other_u[..., :count])
    u = np.concatenate([u[..., :count] * turn, other_u[..., count:]], -1)
    rows = np.conj(np.swapaxes(turn, -1, -2))
    return [u, s, np.concatenate([vh[..., :count, :] * rows, other_vh[..., count:, :]], -2)]


def of_eigenvectors(ours: Arrays, theirs: Arrays) -> Arrays:
    """The values, and the vectors as columns."""
    return [ours[0], ours[1] * _turns(ours[1], theirs[1])]


def of_triangle(ours: Arrays, theirs: Arrays) -> Arrays:
    """Q, R."""
    (q, r), (other_q, _) = ours, theirs
    count = min(q.shape[-1], r.shape[-2], r.shape[-1])
    turn = _turns(q[..., :count], other_q[..., :count])
    rows = np.conj(np.swapaxes(turn, -1, -2))
    q = np.concatenate([q[..., :count] * turn, other_q[..., count:]], -1)
    return [q, np.concatenate([r[..., :count, :] * rows, r[..., count:, :]], -2)]


def _turns(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """What each column is to be multiplied by, a number of absolute value one, to come nearest to the other one."""
    along = (np.conj(ours) * theirs).sum(-2, keepdims=True)
    size = np.abs(along)
    return np.where(size > 0, along / np.where(size > 0, size, 1), 1).astype(ours.dtype)
