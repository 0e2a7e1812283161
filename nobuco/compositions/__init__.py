"""PyTorch functions in terms of other ones, a file a family: for what has no equivalent in TensorFlow that is shorter."""

from nobuco.compositions import bags as bags
from nobuco.compositions import copies as copies
from nobuco.compositions import fourier as fourier
from nobuco.compositions import linear_algebra as linear_algebra
from nobuco.compositions import losses as losses
from nobuco.compositions import norms as norms
from nobuco.compositions import numbers as numbers
from nobuco.compositions import places as places
from nobuco.compositions import quantization as quantization
from nobuco.compositions import regions as regions
from nobuco.compositions import resizing as resizing
from nobuco.compositions import sets as sets
from nobuco.compositions import tables as tables
