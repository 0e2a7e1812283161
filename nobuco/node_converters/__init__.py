"""The node converters: for each PyTorch op its TensorFlow equivalent, one file per family.

Also a place to look things up: `nobuco.locate_converter(torch.Tensor.repeat)` finds the entry for an op."""

from nobuco import compositions as compositions
from nobuco.node_converters import activation as activation
from nobuco.node_converters import arithmetic as arithmetic
from nobuco.node_converters import attention as attention
from nobuco.node_converters import bitwise as bitwise
from nobuco.node_converters import channel_order as channel_order
from nobuco.node_converters import convolution as convolution
from nobuco.node_converters import creation as creation
from nobuco.node_converters import diagonal as diagonal
from nobuco.node_converters import distance as distance
from nobuco.node_converters import divisors as divisors
from nobuco.node_converters import einsum as einsum
from nobuco.node_converters import elementwise as elementwise
from nobuco.node_converters import embedding as embedding
from nobuco.node_converters import fourier as fourier
from nobuco.node_converters import indexing as indexing
from nobuco.node_converters import joining as joining
from nobuco.node_converters import linear as linear
from nobuco.node_converters import linear_algebra as linear_algebra
from nobuco.node_converters import loss as loss
from nobuco.node_converters import normalization as normalization
from nobuco.node_converters import pooling as pooling
from nobuco.node_converters import pooling_indices as pooling_indices
from nobuco.node_converters import quantization as quantization
from nobuco.node_converters import randomness as randomness
from nobuco.node_converters import recurrent as recurrent
from nobuco.node_converters import reduction as reduction
from nobuco.node_converters import resampling as resampling
from nobuco.node_converters import sampling as sampling
from nobuco.node_converters import scatter as scatter
from nobuco.node_converters import shape_ops as shape_ops
from nobuco.node_converters import short_time_fourier as short_time_fourier
from nobuco.node_converters import sorting as sorting
from nobuco.node_converters import varying as varying
from nobuco.node_converters import windows as windows
from nobuco.node_converters import writing as writing
from nobuco.node_converters import zeta as zeta
