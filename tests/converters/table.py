"""Which of PyTorch's ops are converted, and what of them: the table behind the tests.

An op is named as in PyTorch's own `op_db`, a variant behind a dot. Nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

DTYPES = ("float", "int", "bool")

# All samples are converted right, for these dtypes.
_PLAIN = {
    "float int bool": """
        acos acosh add mul asin asinh atan atan2 atanh broadcast_to broadcast_tensors block_diag chunk unsafe_chunk
        clone contiguous conj conj_physical resolve_conj resolve_neg copysign cos cosh cummax cummin deg2rad diff
        div.no_rounding_mode true_divide exp expand expand_as diag diag_embed diagonal diagonal_copy
        diagonal_scatter alias_copy eq fmax fmin flip fliplr flipud i0 log1p ge gt le log log10 log2 ldexp
        logical_not lt masked_fill masked_scatter max.reduction_with_dim max.reduction_no_dim
        meshgrid.variadic_tensors meshgrid.list_of_tensors min.reduction_with_dim min.reduction_no_dim max.binary
        maximum min.binary minimum logical_and logical_or logical_xor heaviside isclose softmax.with_dtype aminmax
        constant_pad_nd nn.functional.pad.constant nn.functional.pad.circular to ne narrow outer permute float_power
        rad2deg real roll rot90 sin sinc sinh sign sgn split split.list_args unsafe_split split_with_sizes __radd__
        __rdiv__ __rmul__ select select_scatter slice_scatter signbit tan tanh hsplit vsplit dsplit exp2 expm1
        nan_to_num reciprocal rsqrt sqrt square angle isfinite isinf isposinf isneginf isreal isnan ravel reshape
        reshape_as view view_as atleast_1d atleast_2d atleast_3d flatten unflatten column_stack gather index_fill
        index_copy index_select __getitem__ take bfloat16 bool byte char double float half int long short cdouble
        cfloat zeros_like ones_like full_like new_zeros new_ones new_full stack hstack cat unbind vstack dstack
        unfold unfold_copy msort movedim repeat squeeze squeeze.multiple squeeze_copy fill take_along_dim tile
        unsqueeze unsqueeze_copy xlogy zero_ logsumexp transpose T H mT mH tril triu kron sigmoid erf erfc erfinv
        lgamma log_softmax.with_dtype logit where t resize_ resize_as_ nn.functional.feature_alpha_dropout.without_train all any amax
        amin count_nonzero nonzero argwhere masked_select sum nansum nn.functional.pixel_shuffle nn.functional.pixel_unshuffle
        nn.functional.channel_shuffle diagflat fft.fft fft.fft2 fft.fftn fft.rfft fft.rfft2 fft.rfftn fft.ifft
        fft.ifft2 fft.ifftn fft.irfft fft.irfft2 fft.irfftn fft.fftshift fft.ifftshift linalg.diagonal special.i0e
        special.i1 special.i1e special.ndtr special.xlog1py special.entr special.ndtri special.bessel_j0
        special.bessel_j1 special.bessel_y0 special.bessel_y1 special.modified_bessel_i0 special.modified_bessel_i1
        special.modified_bessel_k0 special.modified_bessel_k1 special.scaled_modified_bessel_k0
        special.scaled_modified_bessel_k1
    """,
    "float int": """
        abs clamp_max clamp_min sub addmm addmm.decomposed addmv addbmm baddbmm dot vdot bmm mv addr addcmul ceil
        clamp positive cross cumsum cumprod div.trunc_rounding div.floor_rounding fmod remainder floor floor_divide
        matmul median nn.functional.softmin.with_dtype nn.functional.relu nn.functional.pad.reflect
        nn.functional.pad.replicate nn.functional.pad.replicate_negative nn.functional.max_pool2d
        nn.functional.bilinear nn.functional.threshold nn.functional.relu6 mm mvlgamma.mvlgamma_p_1
        mvlgamma.mvlgamma_p_3 mvlgamma.mvlgamma_p_5 neg pow round __rmatmul__ __rmod__ __rsub__ rsub trunc einsum
        index_add index_put sort put scatter_add bucketize trace inner argmax argmin prod argsort scatter_reduce.sum
        scatter_reduce.mean scatter_reduce.amin scatter_reduce.amax linalg.cross linalg.multi_dot
    """,
    "float bool": """
        nn.functional.unfold special.zeta
    """,
    "float": """
        nn.functional.embedding addcdiv cdist cholesky view_as_complex complex frac kthvalue logaddexp logaddexp2 matrix_exp var_mean
        var_mean.unbiased std_mean std_mean.unbiased softmax nn.functional.softmin nn.functional.cross_entropy
        nn.functional.normalize nn.functional.cosine_similarity nn.functional.adaptive_avg_pool1d
        nn.functional.adaptive_avg_pool2d nn.functional.adaptive_avg_pool3d nn.functional.adaptive_max_pool1d
        nn.functional.adaptive_max_pool2d nn.functional.avg_pool1d nn.functional.avg_pool3d
        nn.functional.binary_cross_entropy_with_logits nn.functional.conv_transpose1d nn.functional.conv_transpose2d
        nn.functional.conv_transpose3d nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d
        nn.functional.group_norm nn.functional.layer_norm nn.functional.rms_norm nn.functional.local_response_norm
        nn.functional.hardswish nn.functional.interpolate.nearest nn.functional.interpolate.nearest-exact
        nn.functional.interpolate.linear nn.functional.interpolate.bilinear nn.functional.interpolate.bicubic
        nn.functional.interpolate.trilinear nn.functional.interpolate.area nn.functional.upsample_bilinear
        nn.functional.soft_margin_loss nn.functional.upsample_nearest nn.functional.leaky_relu
        nn.functional.multilabel_soft_margin_loss nn.functional.avg_pool2d nn.functional.max_pool1d
        nn.functional.max_pool3d nn.functional.max_unpool1d nn.functional.max_unpool1d.grad
        nn.functional.max_unpool2d nn.functional.max_unpool2d.grad nn.functional.max_unpool3d
        nn.functional.max_unpool3d.grad nn.functional.linear nn.functional.glu nn.functional.elu nn.functional.prelu
        nn.functional.celu nn.functional.selu nn.functional.silu nn.functional.hardsigmoid nn.functional.logsigmoid
        nn.functional.mish nn.functional.softsign nn.functional.tanhshrink
        nn.functional.triplet_margin_with_distance_loss nextafter topk nn.functional.binary_cross_entropy igamma
        igammac nn.functional.softshrink nn.functional.hardshrink nn.functional.hardtanh nn.functional.gelu dist
        round.decimals_0 round.decimals_3 round.decimals_neg_3 __rpow__ lerp polar hypot renorm logcumsumexp digamma
        nn.functional.smooth_l1_loss nn.functional.l1_loss logdet log_softmax norm norm.fro norm.inf
         nn.functional.softplus nn.functional.mse_loss nn.functional.grid_sample grid_sampler_2d grid_sampler_3d
        mean nanmean std std.unbiased var var.unbiased nn.functional.nll_loss nn.functional.gaussian_nll_loss
        nn.functional.huber_loss nn.functional.pdist nn.functional.poisson_nll_loss nn.functional.pairwise_distance
        nn.functional.kl_div linalg.det linalg.cholesky linalg.vecdot linalg.matrix_power linalg.matrix_norm
        linalg.slogdet linalg.vector_norm linalg.inv linalg.solve linalg.norm linalg.qr linalg.solve_triangular
        linalg.svdvals linalg.eigvalsh triangular_solve polygamma.polygamma_n_0 polygamma.polygamma_n_1
        polygamma.polygamma_n_2 norm.nuc
    """,
    "int bool": """
        bitwise_not bitwise_and bitwise_or bitwise_xor __rand__ __ror__ __rxor__
    """,
    "int": """
        bitwise_left_shift bitwise_right_shift gcd lcm
    """,
}

# (arguments, keyword arguments) of a sample -> whether it is to be converted right; the others must be refused or fail
Filter = Callable[[tuple[Any, ...], dict[str, Any]], bool]


def _says(name: str, wanted: Any) -> Filter:
    return lambda args, kwargs: kwargs.get(name, wanted) == wanted


# op -> (dtypes, the samples that are converted, why the others are not)
_PARTLY: dict[str, tuple[str, Filter, str]] = {
    "nn.functional.batch_norm": (
        "float", _says("training", False), "training mode: the batch's statistics would be fixed",
    ),
    "nn.functional.dropout2d": ("float", lambda a, k: not k.get("training", True) or k.get("p") == 0.0, "training mode"),
    "nn.functional.dropout3d": ("float", lambda a, k: not k.get("training", True) or k.get("p") == 0.0, "training mode"),
    "nn.functional.instance_norm": (
        "float", lambda a, k: not k.get("use_input_stats", True) or k.get("running_mean") is None,
        "training mode: running statistics would be changed",
    ),
    "scatter": ("float int", lambda a, k: k.get("reduce") != "multiply", "TensorFlow has no scatter that multiplies"),
    "nn.functional.alpha_dropout": ("float", lambda a, k: not k.get("training", True) or k.get("p") == 0.0, "training mode"),
    "nn.functional.scaled_dot_product_attention": ("float", _says("dropout_p", 0.0), "training mode"),
    "repeat_interleave": ("float int bool", lambda a, k: not hasattr(_repeats(a, k), "shape"), "the shape is computed"),
    "searchsorted": ("float int", lambda a, k: k.get("sorter") is None, "no sorter"),
    "tensor_split": ("float int bool", lambda a, k: not hasattr(a[1], "shape"), "the shapes are computed"),
}  # fmt: skip


def _repeats(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs.get("repeats")


# op -> what the error says
REFUSED = {
    **dict.fromkeys(
        ("bernoulli", "multinomial", "nn.functional.rrelu", "normal", "rand_like", "randint", "randint_like", "randn",
         "randn_like", "uniform"),
        "draws at random",
    ),
    **dict.fromkeys(
        ("unique", "unique_consecutive"), "depends on the values",
    ),
    "bincount": "depends on the values",
}  # fmt: skip

# op, or case of our own -> what the error says where a size that it needs is not known
_COUNTS = "as many outputs as the size tells"
_CONVERSION = "is not known at conversion"
SIZES_REFUSED = {
    **dict.fromkeys(("chunk", "unsafe_chunk", "split", "unsafe_split", "unbind"), _COUNTS),
    **dict.fromkeys(("squeeze", "squeeze.multiple", "squeeze_copy"), "only where its size is 1"),
    **dict.fromkeys(("nn.functional.pixel_shuffle", "nn.functional.pixel_unshuffle"), _CONVERSION),
    **dict.fromkeys((f"nn.functional.conv_transpose{n}d" for n in (1, 2, 3)), _CONVERSION),
    **dict.fromkeys((f"nn.functional.adaptive_max_pool{n}d" for n in (1, 2)), "leave the indices out"),
    **dict.fromkeys(("adaptive max with indices", "adaptive max in space, indices"), "leave the indices out"),
    "cross": "give dim",
    "solve for vectors or a matrix": "give it one dim more",
    "cross of the first dim of 3": "give dim",
    "nn.functional.conv3d": _CONVERSION,
}

# op -> why its sample inputs cannot be made larger and smaller
ONE_SIZE = {
    **dict.fromkeys((f"nn.functional.max_unpool{n}d" for n in (1, 2, 3)), "its indices come from a pooling"),
    **dict.fromkeys(
        (f"nn.functional.max_unpool{n}d.grad" for n in (1, 2, 3)), "its indices come from a pooling"
    ),
    "prod": "the product of many elements is beyond what floats hold",
    "take_along_dim": "PyTorch does not check that its indices lie inside",
}

TOLERANCE = 1e-4
_TOLERANCES: dict[str, float] = {}

# exported in the tests, one for each way of spelling
EXPORTED = """
        add div.floor_rounding clamp where pow nn.functional.relu nn.functional.hardswish nn.functional.gelu softmax
        log_softmax nn.functional.softplus sum mean var argmax nn.functional.conv1d nn.functional.conv2d
        nn.functional.conv3d nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.max_pool2d
        nn.functional.avg_pool2d nn.functional.adaptive_avg_pool2d nn.functional.interpolate.bilinear
        nn.functional.interpolate.nearest nn.functional.interpolate.bicubic nn.functional.pad.reflect
        nn.functional.linear matmul nn.functional.layer_norm nn.functional.group_norm gather scatter_add
        index_add topk sort cumsum __getitem__ tril cat stack split reshape permute
        nn.functional.scaled_dot_product_attention nn.functional.grid_sample nn.functional.channel_shuffle nn.functional.pixel_shuffle
""".split()


@dataclass(frozen=True)
class Row:
    name: str
    dtypes: tuple[str, ...]
    tolerance: float = TOLERANCE
    taken: Filter | None = field(default=None, compare=False)
    why: str = ""  # the samples that are not taken are not


def _rows() -> Iterator[Row]:
    def row(name: str, dtypes: str, taken: Filter | None = None, why: str = "") -> Row:
        return Row(name, tuple(dtypes.split()), _TOLERANCES.get(name, TOLERANCE), taken, why)

    for dtypes, names in _PLAIN.items():
        for name in names.split():
            yield row(name, dtypes)
    for name, (dtypes, taken, why) in _PARTLY.items():
        yield row(name, dtypes, taken, why)


ROWS = {row.name: row for row in _rows()}
