"""Numpy-only networks, their derivatives and their tangent kernels."""
from .layers import Dense, Activation, Flatten
from .convolution import Conv2D, AvgPool, GlobalAvgPool
from .normalisation import LayerNorm
from .network import Sequential, Residual
from .builders import mlp, cnn
from .operators import jacobian_operator
from .tangent_kernel import empirical_ntk, ntk_operator
