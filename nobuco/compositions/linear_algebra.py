"""Factorisations, and what follows from them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.cholesky_inverse, torch.Tensor.cholesky_inverse)
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    return torch.linalg.inv(L.mT @ L if upper else L @ L.mT)


@composition(torch.cholesky_solve, torch.Tensor.cholesky_solve)
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    lower = L.mT if upper else L
    half = torch.linalg.solve_triangular(lower, B, upper=False)
    return torch.linalg.solve_triangular(lower.mT, half, upper=True)


def _factorised(a: Tensor, pivot: bool = True) -> tuple[Tensor, Tensor, list[Tensor]]:
    """L (below the diagonal) and U in one matrix, the order of the rows, and the row each was exchanged with."""
    rows, columns = a.shape[-2:]
    order = torch.arange(rows).expand(a.shape[:-1])
    exchanged = []
    places = torch.arange(rows)
    for k in range(min(rows, columns)):
        if pivot:
            candidates = torch.where(places >= k, a[..., k].abs(), torch.full_like(a[..., k], -1.0))
            best = candidates.argmax(-1, keepdim=True)
        else:
            best = torch.full_like(order[..., :1], k)
        exchanged.append(best.squeeze(-1))
        # the order of the rows after this exchange
        step = torch.where(places == k, best, torch.where(places == best, torch.full_like(places, k), places))
        a = torch.take_along_dim(a, step.unsqueeze(-1), -2)
        order = torch.take_along_dim(order, step, -1)
        below = (places > k).to(a.dtype)
        factors = a[..., k] / a[..., k, k].unsqueeze(-1) * below
        right = (torch.arange(columns) > k).to(a.dtype)
        a = a - factors.unsqueeze(-1) * (a[..., k, :] * right).unsqueeze(-2)
        a = torch.where((places > k).unsqueeze(-1) & (torch.arange(columns) == k), factors.unsqueeze(-1), a)
    return a, order, exchanged


@composition(torch.linalg.lu_factor_ex)
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    whole, _, exchanged = _factorised(A, pivot)
    pivots = torch.stack(exchanged, -1).to(torch.int32) + 1
    return whole, pivots, torch.zeros_like(whole[..., 0, 0]).to(torch.int32)


@composition(torch.linalg.lu_factor)
def lu_factor(A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor]:
    return lu_factor_ex(A, pivot=pivot)[:2]


@composition(torch._lu_with_info)  # type: ignore[attr-defined]
def lu_with_info(A: Tensor, pivot: bool = True, check_errors: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    return lu_factor_ex(A, pivot=pivot)


@composition(torch.functional.lu)
def old_lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: None = None) -> tuple[Tensor, ...]:
    found = lu_factor_ex(A, pivot=pivot)
    return found if get_infos else found[:2]


def _parts(whole: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = whole.shape[-2:]
    inner = min(rows, columns)
    return whole[..., :inner].tril(-1) + torch.eye(rows, inner), whole[..., :inner, :].triu()


@composition(torch.linalg.lu)
def lu(A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    whole, order, _ = _factorised(A, pivot)
    permutation = (order.unsqueeze(-2) == torch.arange(A.shape[-2]).unsqueeze(-1)).to(A.dtype)
    return permutation, *_parts(whole)


def _order_of(pivots: Tensor, rows: int) -> Tensor:
    """The order of the rows after the exchanges that `pivots` (counted from one) tell."""
    places = torch.arange(rows)
    order = places.expand(*pivots.shape[:-1], rows)
    for k in range(pivots.shape[-1]):
        other = pivots[..., k : k + 1].long() - 1
        step = torch.where(
            places == k, other, torch.where(places == other, torch.full_like(places, k), places)
        )
        order = torch.take_along_dim(order, step, -1)
    return order


@composition(torch.lu_unpack)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    rows = LU_data.shape[-2]
    order = _order_of(LU_pivots, rows)
    permutation = (order.unsqueeze(-2) == torch.arange(rows).unsqueeze(-1)).to(LU_data.dtype)
    lower, upper = _parts(LU_data)
    nothing = torch.empty(0)
    return (
        permutation if unpack_pivots else nothing,
        lower if unpack_data else nothing,
        upper if unpack_data else nothing,
    )


@composition(torch.linalg.lu_solve)
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    lower, upper = _parts(LU)
    order = _order_of(pivots, LU.shape[-1])
    permutation = (order.unsqueeze(-2) == torch.arange(LU.shape[-1]).unsqueeze(-1)).to(LU.dtype)
    a = permutation @ lower @ upper
    a = a.mT if adjoint else a
    return torch.linalg.solve(a, B) if left else torch.linalg.solve(a.mT, B.mT).mT


@composition(torch.lu_solve, torch.Tensor.lu_solve)
def lu_solve_(B: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    return lu_solve(LU_data, LU_pivots, B)


@composition(torch.linalg.matrix_norm)
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norms that are made of singular values."""
    rows, columns = (each % A.dim() for each in dim)
    x = A if dtype is None else A.to(dtype)
    values = torch.linalg.svdvals(x.movedim((rows, columns), (-2, -1)))
    found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
    for each in sorted((rows, columns)) if keepdim else ():
        found = found.unsqueeze(each)
    return found


@composition(torch.linalg.norm)
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return torch.linalg.matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)


@composition(torch.linalg.cond)
def cond(A: Tensor, p: Any = None) -> Tensor:
    if p in (None, 2, -2):
        values = torch.linalg.svdvals(A)
        ratio = values.amax(-1) / values.amin(-1)
        return 1 / ratio if p == -2 else ratio
    return torch.linalg.matrix_norm(A, p) * torch.linalg.matrix_norm(torch.linalg.inv(A), p)


def _tolerance(values: Tensor, shape: Any, atol: Any, rtol: Any) -> Tensor:
    """Below it a singular value counts as zero."""
    default = torch.finfo(values.dtype).eps * max(shape[-2:])
    relative = default if rtol is None and atol is None else 0.0 if rtol is None else rtol
    relative = relative.unsqueeze(-1) if isinstance(relative, Tensor) else relative
    absolute = 0.0 if atol is None else atol.unsqueeze(-1) if isinstance(atol, Tensor) else atol
    return torch.maximum(
        values.amax(-1, keepdim=True) * relative, torch.as_tensor(absolute, dtype=values.dtype)
    )


@composition(torch.linalg.matrix_rank)
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    values = torch.linalg.eigvalsh(A).abs() if hermitian else torch.linalg.svdvals(A)
    return (values > _tolerance(values, A.shape, tol if tol is not None else atol, rtol)).sum(-1)


@composition(torch.linalg.pinv, torch.pinverse, torch.Tensor.pinverse)
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    relative = rtol if rcond is None else rcond
    if hermitian:
        values, vectors = torch.linalg.eigh(A)
        left, right, sizes = vectors, vectors.mT, values.abs()
    else:
        left, values, right = torch.linalg.svd(A, full_matrices=False)
        sizes = values
    kept = sizes > _tolerance(sizes, A.shape, atol, relative)
    inverse = torch.where(
        kept, 1 / torch.where(kept, values, torch.ones_like(values)), torch.zeros_like(values)
    )
    return (right.mT * inverse.unsqueeze(-2)) @ left.mT


@composition(torch.linalg.householder_product, torch.orgqr, torch.Tensor.orgqr)
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    rows, columns = A.shape[-2:]
    q = torch.eye(rows, columns).expand(A.shape)
    for k in reversed(range(tau.shape[-1])):
        below = (torch.arange(rows) > k).to(A.dtype)
        v = A[..., k] * below + (torch.arange(rows) == k).to(A.dtype)
        q = q - tau[..., k, None, None] * v.unsqueeze(-1) * (v.unsqueeze(-2) @ q)
    return q


def _no_errors(A: Tensor) -> Tensor:
    """What the `_ex` functions return besides: that all went well, which no graph can find out."""
    return torch.zeros_like(A[..., 0, 0]).to(torch.int32)


@composition(torch.linalg.inv_ex)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return torch.linalg.inv(A), _no_errors(A)


@composition(torch.linalg.cholesky_ex)
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return torch.linalg.cholesky(A, upper=upper), _no_errors(A)


@composition(torch.linalg.solve_ex)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return torch.linalg.solve(A, B, left=left), _no_errors(A)


@composition(torch.linalg.tensorinv)
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    size = math.prod(A.shape[ind:])
    return torch.linalg.inv(A.reshape(size, size)).reshape(*A.shape[ind:], *A.shape[:ind])


@composition(torch.linalg.tensorsolve)
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    moved = A if dims is None else A.movedim(tuple(dims), tuple(range(-len(dims), 0)))
    shape = moved.shape[B.dim() :]
    size = math.prod(B.shape)
    return torch.linalg.solve(moved.reshape(size, size), B.reshape(size)).reshape(shape)


@composition(torch.linalg.lstsq)
def lstsq(
    A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The solution alone; what PyTorch tells besides is left empty."""
    vector = B.dim() == 1 or (A.dim() - 1 == B.dim() and A.shape[:-1] == B.shape)
    right = B.unsqueeze(-1) if vector else B
    solution = torch.linalg.pinv(A, rtol=rcond) @ right
    nothing = torch.empty(0)
    return solution.squeeze(-1) if vector else solution, nothing, nothing, nothing


@composition(torch.ormqr, torch.Tensor.ormqr)
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    rows = input.shape[-2]
    q = torch.eye(rows).expand(*input.shape[:-2], rows, rows)
    for k in reversed(range(tau.shape[-1])):
        below = (torch.arange(rows) > k).to(input.dtype)
        v = input[..., k] * below + (torch.arange(rows) == k).to(input.dtype)
        q = q - tau[..., k, None, None] * v.unsqueeze(-1) * (v.unsqueeze(-2) @ q)
    q = q.mT if transpose else q
    return q @ other if left else other @ q


@composition(torch.vander)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    powers = torch.linalg.vander(x, N=N) if N != 0 else x.new_zeros(len(x), 0)
    return powers if increasing else powers.flip(-1)
