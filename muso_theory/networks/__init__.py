"""Numpy-only networks, their derivatives and their tangent kernels."""

from .builders import cnn, mlp
from .convolution import AvgPool, Conv2D, GlobalAvgPool
from .functions import ACTIVATIONS, Nonlinearity, nonlinearity
from .gradcheck import GradientCheck, GradientError, check_gradients
from .infinite_width import infinite_width
from .layers import Activation, Dense, Flatten, Layer
from .network import Residual, Sequential
from .normalisation import LayerNorm
from .operators import jacobian_operator
from .oracles import FiniteDifferences, differentiate, finite_differences
from .tangent_kernel import empirical_ntk, ntk_operator, parametrised_layers

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AvgPool",
    "Conv2D",
    "Dense",
    "FiniteDifferences",
    "Flatten",
    "GlobalAvgPool",
    "GradientCheck",
    "GradientError",
    "Layer",
    "LayerNorm",
    "Nonlinearity",
    "Residual",
    "Sequential",
    "check_gradients",
    "cnn",
    "differentiate",
    "empirical_ntk",
    "finite_differences",
    "infinite_width",
    "jacobian_operator",
    "mlp",
    "nonlinearity",
    "ntk_operator",
    "parametrised_layers",
]
