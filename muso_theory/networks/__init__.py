"""Numpy-only networks, their derivatives and their tangent kernels."""

from . import unlearning
from .builders import cnn, mlp
from .composition import Residual
from .convolution import AvgPool, Conv2D, GlobalAvgPool
from .files import architecture, from_architecture, load, save
from .functions import ACTIVATIONS, Nonlinearity, nonlinearity
from .gradcheck import GradientCheck, GradientError, check_gradients
from .infinite_width import infinite_width
from .layers import Activation, Dense, Flatten, Layer
from .linearised import Linearisation, linearise
from .network import Sequential
from .normalisation import LayerNorm
from .operators import jacobian_operator
from .oracles import FiniteDifferences, differentiate, finite_differences
from .tangent_kernel import empirical_ntk, ntk_operator, parametrised_layers
from .training import Training, loss_and_cotangent, train

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
    "Linearisation",
    "Nonlinearity",
    "Residual",
    "Sequential",
    "Training",
    "architecture",
    "check_gradients",
    "cnn",
    "differentiate",
    "empirical_ntk",
    "finite_differences",
    "from_architecture",
    "infinite_width",
    "jacobian_operator",
    "linearise",
    "load",
    "loss_and_cotangent",
    "mlp",
    "nonlinearity",
    "ntk_operator",
    "parametrised_layers",
    "save",
    "train",
    "unlearning",
]
