"""Numpy-only networks, their derivatives and their tangent kernels."""

from typing import TYPE_CHECKING, Any

from ..descent.losses import loss_and_cotangent
from ..errors import renamed
from ..lazy import lazily
from .activation import Activation
from .branches import Concatenate, Gate, Residual
from .builders import cnn, mlp
from .convolution import Conv2D
from .cotangents import Cotangent
from .dense import Dense
from .files import architecture, from_architecture, load, save
from .flatten import Flatten
from .functions import ACTIVATIONS, Nonlinearity, nonlinearity
from .gradcheck import GradientCheck, GradientError, check_gradients
from .infinite_width import infinite_width
from .layer import Layer
from .linearised import Linearisation, from_network, linearise
from .network import Sequential
from .normalisation import LayerNorm
from .operators import jacobian_operator
from .oracles import FiniteDifferences, differentiate, finite_differences
from .pooling import AvgPool, GlobalAvgPool
from .problem import NetworkProblem, softmax
from .recipe import Recipe
from .tangent_kernel import empirical_ntk, ntk_operator, parametrised_layers
from .training import TrainedNetwork, train

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AvgPool",
    "Concatenate",
    "Conv2D",
    "Cotangent",
    "Dense",
    "FiniteDifferences",
    "Flatten",
    "Gate",
    "GlobalAvgPool",
    "GradientCheck",
    "GradientError",
    "Layer",
    "LayerNorm",
    "Linearisation",
    "NetworkProblem",
    "Nonlinearity",
    "Recipe",
    "Residual",
    "Sequential",
    "TrainedNetwork",
    "architecture",
    "check_gradients",
    "cnn",
    "differentiate",
    "empirical_ntk",
    "finite_differences",
    "from_architecture",
    "from_network",
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
    "softmax",
    "train",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        renamed(__name__, name, {"Training": "networks.TrainedNetwork", "unlearning": "methods"})
        return lazily(__name__, name)
