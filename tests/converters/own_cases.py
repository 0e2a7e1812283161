"""Calls that PyTorch's sample inputs do not make: options in combination, modules, spellings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nobuco.contract.traceable import force_pytorch_order, force_tensorflow_order, shape


@dataclass(frozen=True)
class Case:
    """`graph_tensors`: so many of the tensors among the arguments are inputs; the others are constants."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    make: Callable[[], tuple[Any, ...]] | None = None
    graph_tensors: int | None = None
    tolerance: float = 1e-5
    module: Callable[[], nn.Module] | None = None

    def program(self) -> Callable[..., Any]:
        """The function; a module is made anew, with weights and statistics from a seed."""
        if self.module is None:
            return self.function
        torch.manual_seed(1)
        made = self.module().eval()
        for each in made.buffers():
            if each.is_floating_point():
                each.uniform_(0.5, 1.5)
        return made

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args = self.make() if self.make is not None else tuple(torch.randn(shape) for shape in self.shapes)
        return args, dict(self.kwargs)


def _of(name: str, function: Callable[..., Any], *shapes: tuple[int, ...], **kwargs: Any) -> Case:
    return Case(name, function, shapes, tuple(kwargs.items()))


def _module(name: str, module: Callable[[], nn.Module], *shapes: tuple[int, ...], **kwargs: Any) -> Case:
    """The module's weights are constants."""

    return Case(name, module, shapes, tuple(kwargs.items()), module=module)


def _mask(*shape: int) -> Tensor:
    """Each row has a place that is true."""
    mask = torch.rand(shape) > 0.5
    mask[..., 0] = True
    return mask


def _setitem(index: Any, value: Any) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        x = x.clone()
        x[index] = value
        return x

    return function


def _masked_row() -> tuple[Any, ...]:
    """A query that may look nowhere: PyTorch yields zeros for it."""
    mask = _mask(1, 1, 5, 6)
    mask[..., 2, :] = False
    return torch.randn(2, 3, 5, 4), torch.randn(2, 3, 6, 4), torch.randn(2, 3, 6, 7), mask


_ATTENTION = ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 7))
_IMAGE = (2, 6, 13, 11)

_ADDITIONS = {
    "add by name": lambda x, y: torch.add(input=x, other=y, alpha=2),
    "sub by name": lambda x, y: torch.sub(x, other=y),
    "numpy's names": lambda x, y: torch.sum(x, axis=1, keepdims=True) + torch.mean(input=y, axis=(1,), keepdim=True),
    "out": lambda x, y: torch.mul(x, y, out=torch.empty(3, 4)),
    "operators": lambda x, y: (2 - x) * 3 + 4 / (y.abs() + 1) - (x % 2) + (5 // (y.abs() + 1)) + 2 ** x + (7 % (y.abs() + 1)),
    "in place operators": lambda x, y: x.clone().add_(y).mul_(2).div_(3).sub_(1).pow_(2),
    "rsub": lambda x, y: torch.rsub(x, y, alpha=3),
    "where with a number": lambda x, y: torch.where(x > 0, y, 0.0),
    "method where": lambda x, y: x.where(y > 0, 1.0),
    "integer division": lambda x, y: torch.div(x.mul(10).long(), 3, rounding_mode="trunc") + x.mul(10).int() // 4,
    "int and float": lambda x, y: x.mul(10).long() * y + x.mul(10).int() / 2,
}  # fmt: skip

CASES: list[Case] = [
    *(_of(name, function, (3, 4), (3, 4)) for name, function in _ADDITIONS.items()),
    Case("log_softmax at large values", lambda x: F.log_softmax(x * 1e4, 1), ((2, 5),)),
    _of("polygamma of 0", lambda x: torch.polygamma(0, x.abs() + 1) + (x.abs() + 1).polygamma(0), (3, 4)),
    Case("softmax over any dim", lambda x: [F.softmax(x, d) for d in range(-4, 4)], ((2, 3, 4, 5),)),
    Case("softplus at large values", lambda x: F.softplus(x * 1e3), ((2, 5),)),
    _of("fake quantised", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.05, 3, -128, 127), _IMAGE),
    _of("fake quantised by tensors", lambda x: torch.fake_quantize_per_tensor_affine(
        x, torch.tensor([0.1]), torch.tensor([-2], dtype=torch.int32), -8, 7), _IMAGE),
    _of("fake quantised by channel", lambda x: torch.fake_quantize_per_channel_affine(
        x, torch.linspace(0.1, 0.5, 6), torch.arange(6, dtype=torch.int32), 1, 0, 255), _IMAGE),
    _of("prelu by channel", lambda x: F.prelu(x, torch.linspace(0.1, 0.5, 6)), _IMAGE),
    # convolutions
    _module("conv, stride and dilation", lambda: nn.Conv2d(6, 8, 3, 2, 2, 2, groups=2), _IMAGE),
    _module("conv, depthwise with multiplier", lambda: nn.Conv2d(6, 12, (3, 5), padding=(1, 2), groups=6), _IMAGE),
    _module("conv, even size and stride", lambda: nn.Conv2d(6, 8, 3, 2, 1), (2, 6, 12, 12)),
    _module("conv, padding by name", lambda: nn.Conv2d(6, 8, (3, 4), padding="same", dilation=2), _IMAGE),
    _module("conv, reflected", lambda: nn.Conv2d(6, 8, 3, padding=1, padding_mode="reflect"), _IMAGE),
    _module("conv, circular", lambda: nn.Conv2d(6, 8, 3, padding=(1, 2), padding_mode="circular"), _IMAGE),
    _module("conv without batch", lambda: nn.Conv2d(6, 9, 3, groups=3), (6, 13, 11)),
    _module("conv1d", lambda: nn.Conv1d(6, 9, 3, 2, 1, 1, groups=3), (2, 6, 14)),
    _module("conv3d", lambda: nn.Conv3d(4, 6, 3, (1, 2, 1), 1), (1, 4, 5, 6, 7)),
    _module("conv3d, one channel a group", lambda: nn.Conv3d(4, 8, 3, (2, 1, 1), 1, groups=4), (1, 4, 5, 6, 7)),
    _module("conv3d, one channel a group, strides", lambda: nn.Conv3d(4, 4, 3, (1, 2, 2), 1, groups=4), (2, 4, 5, 6, 7)),
    _module("conv3d, one channel a group, uneven", lambda: nn.Conv3d(4, 4, (2, 3, 1), (1, 2, 1), groups=4), (2, 4, 5, 6, 7)),
    _module("conv3d, groups and dilation", lambda: nn.Conv3d(4, 6, 3, 1, 1, 2, groups=2), (1, 4, 7, 6, 7)),
    *(
        _module(f"transposed {name}", lambda kind=kind, options=options: kind(**options), size)
        for kind, size, name, options in (
            (nn.ConvTranspose1d, (2, 4, 9), "1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}),
            (nn.ConvTranspose1d, (2, 4, 9), "1d, stride", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 4, "stride": 3, "padding": 1, "output_padding": 2}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d as SAME", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 4, "stride": 2, "padding": 1}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d, odd kernel", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d, output padding", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d, stride beyond the kernel", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 2, "stride": 3, "output_padding": 1}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d, groups and dilation", {
                "in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": (2, 1), "padding": (2, 0),
                "dilation": (1, 2), "groups": 2, "output_padding": (1, 0)}),
            (nn.ConvTranspose2d, (2, 4, 5, 6), "2d, depthwise, cropped", {
                "in_channels": 4, "out_channels": 4, "kernel_size": 2, "stride": 1, "padding": 2, "groups": 4}),
            (nn.ConvTranspose3d, (1, 4, 3, 4, 5), "3d", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2,
                "output_padding": 1}),
            (nn.ConvTranspose3d, (1, 4, 3, 4, 5), "3d, groups", {
                "in_channels": 4, "out_channels": 6, "kernel_size": 2, "stride": 2, "groups": 2, "bias": False}),
        )
    ),
    # pooling
    *(
        _of(f"max_pool{dims}d {options}", getattr(F, f"max_pool{dims}d"), size, **options)
        for dims, size in ((1, (2, 3, 11)), (2, (2, 3, 11, 10)), (3, (1, 3, 7, 8, 9)))
        for options in (
            {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
            {"kernel_size": 2, "stride": 2, "dilation": 3},
            {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True},
        )
    ),
    *(
        _of(f"avg_pool{dims}d {options}", getattr(F, f"avg_pool{dims}d"), size, **options)
        for dims, size in ((1, (2, 3, 11)), (2, (2, 3, 11, 10)), (3, (1, 3, 7, 8, 9)))
        for options in (
            {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
            {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
            {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
        )
    ),
    _of("adaptive to 3x3", lambda x: F.adaptive_avg_pool2d(x, 3), (2, 4, 10, 7)),
    _of("adaptive to 7 of 32", lambda x: F.adaptive_avg_pool2d(x, (7, None)), (2, 4, 32, 5)),
    _of("adaptive max with indices", lambda x: F.adaptive_max_pool2d(x, (3, 2), return_indices=True), (2, 4, 10, 7)),
    _of("adaptive max", lambda x: F.adaptive_max_pool2d(x, (3, 2)), (2, 4, 10, 7)),
    _of("adaptive max in space", lambda x: F.adaptive_max_pool3d(x, (2, 3, 1)), (2, 3, 5, 7, 4)),
    _of("adaptive max in space, indices", lambda x: F.adaptive_max_pool3d(x, 2, return_indices=True), (2, 3, 5, 7, 4)),
    _of("fold", lambda x: F.fold(x, (5, 6), (2, 3), stride=(1, 2), padding=1), (2, 12, 18)),
    _of("pool and back", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), (2, 3, 6, 8)),
    # resizing and padding
    *(
        _of(f"{mode} 13 to 20", lambda x, mode=mode: F.interpolate(x, size=20, mode=mode), (1, 3, 13))
        for mode in ("nearest", "nearest-exact", "linear")
    ),
    *(
        _of(f"{mode} by 1.7", lambda x, mode=mode: F.interpolate(x, scale_factor=1.7, mode=mode), (1, 3, 13, 9))
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
    ),
    *(
        _of(f"{mode}, corners aligned", lambda x, mode=mode: F.interpolate(x, (20, 5), mode=mode, align_corners=True),
            (1, 3, 13, 9))
        for mode in ("bilinear", "bicubic")
    ),
    _of("trilinear", lambda x: F.interpolate(x, (4, 9, 5), mode="trilinear"), (1, 3, 6, 5, 4)),
    _of("circular on one side", lambda x: F.pad(x, (2, 0, 0, 3), mode="circular"), (1, 3, 5, 6)),
    _of("reflected by many", lambda x: F.pad(x, (5, 4, 1, 0), mode="reflect"), (1, 3, 5, 6)),
    _of("padded and cropped", lambda x: F.pad(x, (-1, 2, 3, -2), value=1.5), (1, 3, 5, 6)),
    # normalization
    _module("batch norm without affine", lambda: nn.BatchNorm2d(6, affine=False), _IMAGE),
    _module("batch norm without statistics", lambda: nn.BatchNorm2d(6, track_running_stats=False), _IMAGE),
    _module("batch norm of vectors", lambda: nn.BatchNorm1d(6), (3, 6)),
    _module("layer norm over several dims", lambda: nn.LayerNorm((13, 11)), _IMAGE),
    _module("group norm", lambda: nn.GroupNorm(3, 6), _IMAGE),
    _module("instance norm", lambda: nn.InstanceNorm2d(6, affine=True), _IMAGE),
    _module("instance norm without batch", lambda: nn.InstanceNorm2d(6), (6, 5, 4)),
    _module("rms norm", lambda: nn.RMSNorm(11), _IMAGE),
    # attention
    Case("attention", F.scaled_dot_product_attention, _ATTENTION),
    Case("attention, causal", F.scaled_dot_product_attention, _ATTENTION, (("is_causal", True),)),
    Case("attention, scaled", F.scaled_dot_product_attention, _ATTENTION, (("scale", 0.3),)),
    Case("attention, float mask", F.scaled_dot_product_attention, (*_ATTENTION, (5, 6))),
    Case("attention, row without a place", F.scaled_dot_product_attention, make=_masked_row),
    Case("attention, constant mask", F.scaled_dot_product_attention, make=_masked_row, graph_tensors=3),
    Case("attention, grouped heads", F.scaled_dot_product_attention, ((2, 6, 5, 4), (2, 3, 6, 4), (2, 3, 6, 7)),
         (("enable_gqa", True),)),
    *(
        _module(f"multi-head attention, batch_first={first}, weights={weights}",
                lambda first=first: nn.MultiheadAttention(8, 2, batch_first=first), (3, 4, 8), (3, 4, 8), (3, 4, 8),
                need_weights=weights)
        for first in (False, True) for weights in (False, True)
    ),
    _module("multi-head attention, padded keys", lambda: nn.MultiheadAttention(8, 2, batch_first=True),
            (3, 4, 8), (3, 5, 8), (3, 5, 8), key_padding_mask=torch.arange(5)[None, :] > torch.tensor([4, 2, 3])[:, None]),
    _module("transformer encoder", lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (3, 4, 8)),
    _module("transformer decoder", lambda: nn.TransformerDecoderLayer(8, 2, 16), (3, 4, 8), (5, 4, 8)),
    # single steps of recurrent layers
    _module("LSTM cell", lambda: nn.LSTMCell(4, 3), (5, 4)),
    _module("GRU cell", lambda: nn.GRUCell(4, 3, bias=False), (5, 4), (5, 3)),
    _module("RNN cell", lambda: nn.RNNCell(4, 3), (4,)),
    _module("RNN cell, relu", lambda: nn.RNNCell(4, 3, nonlinearity="relu"), (5, 4)),
    # reading and writing
    _of("embedding", lambda x: F.embedding((x.abs() * 3).long().clamp(max=6), torch.arange(21.0).view(7, 3), 0), (2, 5)),
    Case("embedding of a weight", F.embedding, make=lambda: (torch.tensor([[1, 0], [2, 2]]), torch.randn(4, 3)), graph_tensors=1),
    Case("torch.embedding", torch.embedding, make=lambda: (torch.randn(4, 3), torch.tensor([[1, 0], [2, 2]]))),
    *(
        _of(f"x[{name}] = ...", _setitem(index, value), (4, 6, 5))
        for name, index, value in (
            ("1", 1, 2.0), (":, 1:5:2", (slice(None), slice(1, 5, 2)), torch.ones(2, 5)), ("..., -1", (..., -1), 0.0),
            (":, ::3, 1:", (slice(None), slice(None, None, 3), slice(1, None)), torch.arange(4.0)),
            ("[0, 2]", torch.tensor([0, 2]), 3.0), ("mask", torch.arange(4) > 1, -1.0),
        )
    ),
    _of("x[...]", lambda x: (x[:, 0], x[..., None], x[1:3, ::2, -1], x[:, [0, 2]], x[[0, 1], :, [1, 2]], x[x[:, 0, 0] > 9]),
        (4, 6, 5)),
    _of("write into a constant", lambda x: _written_into_zeros(x), (2, 3)),
    Case("repeats as a constant", lambda x, n: x.repeat_interleave(n, 1), make=lambda: (torch.randn(2, 3), torch.tensor([0, 2, 1])),
         graph_tensors=1),
    Case("split by a constant", torch.tensor_split, make=lambda: (torch.randn(7, 3), torch.tensor([2, 5])), graph_tensors=1),
    _of("take along dim", lambda x: (torch.take_along_dim(x, x.argsort(1), 1), torch.take_along_dim(x, x.argmax(0)[None], 0)),
        (4, 6, 5)),
    _of("narrow", lambda x: x.narrow(1, -3, 2), (4, 6, 5)),
    _of("select", lambda x: x.select(-1, -2), (4, 6, 5)),
    _of("put in place", lambda x: x.clone().index_put_((torch.tensor([0, 2]), torch.tensor([1, 1])), torch.ones(2)), (4, 6)),
    _of("diagonals filled", lambda x: [x[place].fill_diagonal_(2.0, wrap) for place in ((0,), (slice(5), 0), (0, slice(2)))
                                       for wrap in (False, True)] + [x[0, :, :2].clone().fill_diagonal_(3.0, True)], (6, 6, 6)),
    _of("in place by what a function is made of", lambda x: x.index_reduce_(0, torch.tensor([1, 1]), x[:2] + 1, "prod"), (4, 3)),
    _of("vander", lambda x: (torch.vander(x[0]), torch.vander(x[1], 5, True), torch.vander(x[1], 0)), (2, 3)),
    # shapes and layouts
    _of("sizes", lambda x: shape(x)[1] + shape(x)[2], (2, 3, 4, 5)),
    _of("orders", lambda x: force_pytorch_order(force_tensorflow_order(x) + 1), (2, 3, 4, 5)),
    _of("squeeze", lambda x: (x.squeeze(), x.squeeze(0), x.squeeze(1), x.squeeze((0, 2))), (1, 3, 1, 4)),
    _of("expand", lambda x: (x.expand(2, -1, 4), x.expand(5, 3, 3, 4), x.broadcast_to(3, 3, 4)), (1, 3, 4)),
    _of("permute and its kin", lambda x: (x.permute(0, 2, 3, 1), x.mT, x.transpose(0, -1), x.movedim((0, 1), (2, 0))),
        (2, 3, 4, 5)),
    _of("T", lambda x: x.T + x.t() + torch.adjoint(x), (3, 4)),
    _of("casts", lambda x: (x.int(), x.bool(), x.to(torch.float64), x.type_as(x.long()), x.data, x.to("cpu"), x.half(),
                            x.double(), x.short(), x.char(), x.abs().byte(), x.bfloat16(), x.float(), x.cfloat(), x.cdouble()), (3, 4)),
    _of("created alike", lambda x: x.new_zeros(2, 3) + x.new_ones((2, 3)) + x.new_full((2, 3), 4.0) + torch.zeros_like(x[:2, :3]),
        (3, 4)),
    _of("empty, filled", lambda x: torch.empty_like(x).fill_(2.0) + x.new_empty(4).zero_() + x, (3, 4)),
    _of("sizes computed", lambda x: _by_sizes(shape(x)), (3, 4)),
    _of("one hot", lambda x: F.one_hot(x.abs().long(), 9), (3, 4)),
    _of("copies", lambda x: torch.zeros(3, 4).copy_(x) + x.detach() + x.new_tensor(x.detach()) + torch.as_tensor(x), (3, 4)),
    _of("reflected shifts", lambda x: (2 << x.abs().int()) + (64 >> x.abs().int()), (3, 4)),
    _of("tensordot", lambda x, y: torch.tensordot(x, y, ([0, 1], [1, 0])), (3, 4, 2), (4, 3)),
    _of("dropout in evaluation", lambda x: torch.dropout(F.dropout(x, training=False), 0.5, False), (3, 4)),
    _of("complex numbers", lambda x: (torch.view_as_real(torch.complex(x, x + 1)), torch.polar(x, x).real, torch.imag(x.cfloat())),
        (3, 4)),
    _of("affine grid", lambda theta: (F.affine_grid(theta, [2, 3, 5, 4]), F.affine_grid(theta, [2, 3, 5, 4], True)), (2, 2, 3)),
    *(
        _of(f"grid_sample {mode} {padding} {corners}", F.grid_sample, (2, 3, 5, 6), (2, 4, 7, 2), mode=mode, padding_mode=padding,
            align_corners=corners)
        for mode in ("bilinear", "nearest", "bicubic") for padding in ("zeros", "border", "reflection") for corners in (False, True)
    ),
    _of("grid_sample in space", F.grid_sample, (1, 2, 3, 4, 5), (1, 2, 3, 4, 3), align_corners=False),
    _of("channel shuffle", lambda x: F.channel_shuffle(x, 3), _IMAGE),
    _of("norms", lambda x: (torch.norm(x), torch.norm(x, 1, 2), x.norm(dim=(1, 2)), torch.linalg.norm(x, dim=1), F.normalize(x)),
        (2, 3, 4)),
    _of("cross of the first dim of 3", lambda x: torch.cross(x, x + 1), (3, 4, 3)),
    _of("products", lambda x: (x.prod(1), x[:2].prod(0, keepdim=True), torch.prod(x[0, 0])), (3, 4, 3)),
    _of("solve for vectors or a matrix", torch.linalg.solve, (3, 3, 3), (3, 3)),
    _of("products of matrices", lambda x: torch.linalg.multi_dot([x, x, x[0]]), (3, 3)),
    _of("losses", lambda x, y: F.mse_loss(x, y) + F.l1_loss(x, y, reduction="sum") + F.cross_entropy(x, y.argmax(1)), (3, 4), (3, 4)),
]  # fmt: skip


def _written_into_zeros(x: Tensor) -> Tensor:
    canvas = torch.zeros(2, 3, 4, 4)
    canvas[:, :, 0, 0] = x
    canvas[:, :, 1:3] = x[:, :, None, None]
    return canvas


def _by_sizes(sizes: tuple[Tensor, ...]) -> Any:
    rows, columns = sizes
    return (
        torch.arange(rows), torch.zeros(rows, columns), torch.ones((rows, columns)), torch.full((rows, columns), 7.0),
        torch.linspace(0, 1, columns), torch.eye(rows),
    )  # fmt: skip
