"""Factorisations, and what follows from them."""

from __future__ import annotations

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
        a = torch.where(
            (places > k).unsqueeze(-1) & (torch.arange(columns) == k), factors.unsqueeze(-1), a
        )
    return a, order, exchanged


@composition(torch.linalg.lu_factor_ex)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    whole, _, exchanged = _factorised(A, pivot)
    pivots = torch.stack(exchanged, -1).to(torch.int32) + 1
    return whole, pivots, torch.zeros_like(whole[..., 0, 0]).to(torch.int32)


@composition(torch.linalg.lu_factor)
def lu_factor(A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor]:
    return lu_factor_ex(A, pivot=pivot)[:2]


@composition(torch._lu_with_info)  # type: ignore[attr-defined]
def lu_with_info(A: Tensor, pivot: bool = True, check_errors: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    return lu_factor_ex(A, pivot=pivot)


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
        step = torch.where(places == k, other, torch.where(places == other, torch.full_like(places, k), places))
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
