"""Numpy-only networks, their derivatives and their tangent kernels."""

from typing import TYPE_CHECKING, Any

from ..descent.losses import loss_and_cotangent
from ..lazy import lazily
from .activation import Activation
from .attention import SelfAttention, attention, tiny_transformer, transformer_block
from .batch_norm import BatchNorm
from .branches import Concatenate, Gate, Residual
from .builders import cnn, mlp
from .convolution import Conv2D
from .cotangents import Cotangent
from .dense import Dense, Pointwise
from .dropout import Dropout
from .estimates import KernelEstimate, estimate_ntk
from .files import architecture, from_architecture, load, save
from .flatten import Flatten
from .functions import ACTIVATIONS, Nonlinearity, nonlinearity
from .gradcheck import GradientCheck, check_gradients
from .infinite_width import infinite_width
from .layer import Layer
from .linearised import Linearisation, from_network, linearise
from .models import efficientnet_b0, resnet8, resnet18, vgg11
from .network import Sequential
from .normalisation import GroupNorm, LayerNorm
from .operators import jacobian_operator
from .oracles import differentiate, finite_differences
from .pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from .problem import NetworkProblem, softmax
from .published import from_state_dict, state_dict_shapes
from .recipe import Recipe
from .statistics import fit_statistics
from .tangent_kernel import empirical_ntk, ntk_operator, parametrised_layers
from .tokens import Embedding, Position
from .training import TrainedNetwork, train

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AdaptiveAvgPool",
    "AvgPool",
    "BatchNorm",
    "Concatenate",
    "Conv2D",
    "Cotangent",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Gate",
    "GlobalAvgPool",
    "GradientCheck",
    "GroupNorm",
    "KernelEstimate",
    "Layer",
    "LayerNorm",
    "Linearisation",
    "MaxPool",
    "NetworkProblem",
    "Nonlinearity",
    "Pointwise",
    "Position",
    "Recipe",
    "Residual",
    "SelfAttention",
    "Sequential",
    "TrainedNetwork",
    "architecture",
    "attention",
    "check_gradients",
    "cnn",
    "differentiate",
    "efficientnet_b0",
    "empirical_ntk",
    "estimate_ntk",
    "finite_differences",
    "fit_statistics",
    "from_architecture",
    "from_network",
    "from_state_dict",
    "infinite_width",
    "jacobian_operator",
    "linearise",
    "load",
    "loss_and_cotangent",
    "mlp",
    "nonlinearity",
    "ntk_operator",
    "parametrised_layers",
    "resnet8",
    "resnet18",
    "save",
    "softmax",
    "state_dict_shapes",
    "tiny_transformer",
    "train",
    "transformer_block",
    "vgg11",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
