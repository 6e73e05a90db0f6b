"""Published image networks by name, as layers with the names that published parameters have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..arguments import checked
from ..former import former
from .activation import Activation
from .batch_norm import BatchNorm
from .branches import Gate, Residual
from .convolution import Conv2D
from .dense import Dense, Parameterization
from .dropout import Dropout
from .flatten import Flatten
from .layer import Layer
from .network import Sequential
from .pooling import AdaptiveAvgPool, GlobalAvgPool, MaxPool

__all__ = ["MODELS", "efficientnet_b0", "resnet8", "resnet18", "vgg11"]
former(__name__)

HE = math.sqrt(2.0)
"""The weight scale that keeps the size of a signal through relu."""


class _Parts(NamedTuple):
    """Layers, and what their parameters are called elsewhere.

    Args:
        layers: in forward order.
        names: of the layers with parameters, in forward order.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...]

    def under(self, prefix: str) -> _Parts:
        """The same layers, every name behind a prefix."""
        return _Parts(self.layers, tuple(f"{prefix}.{name}" for name in self.names))


def _together(parts: Sequence[_Parts]) -> _Parts:
    """Parts in sequence, as one."""
    layers = tuple(layer for part in parts for layer in part.layers)
    return _Parts(layers, tuple(name for part in parts for name in part.names))


def _conv(
    c_in: int,
    c_out: int,
    size: int,
    stride: int = 1,
    *,
    param: Parameterization = "standard",
    groups: int = 1,
    bias: bool = False,
) -> Conv2D:
    """A square convolution that pads half of its size on every side."""
    half = (size // 2, size // 2)
    sizes = (size, size), (stride, stride), (half, half)
    return Conv2D(c_in, c_out, *sizes, param, HE, 0.0, groups=groups, bias=bias)


def _resnet(
    widths: Sequence[int], blocks: int, channels: int, classes: int, small: bool, param: Parameterization
) -> _Parts:
    """A residual network of basic blocks (K. He, X. Zhang, S. Ren, J. Sun 2016)."""
    size, stride = (3, 1) if small else (7, 2)
    stem: tuple[Layer, ...] = (
        _conv(channels, widths[0], size, stride, param=param),
        BatchNorm(widths[0]),
        Activation("relu"),
    )
    if not small:
        stem += (MaxPool((3, 3), (2, 2), ((1, 1), (1, 1))),)
    parts, c_in = [_Parts(stem, ("conv1", "bn1"))], widths[0]
    for stage, c_out in enumerate(widths):
        for block in range(blocks):
            step = 2 if stage and not block else 1
            parts.append(_basic_block(c_in, c_out, step, param).under(f"layer{stage + 1}.{block}"))
            c_in = c_out
    head = (GlobalAvgPool(), Dense(c_in, classes, param, 1.0, 0.0))
    return _together([*parts, _Parts(head, ("fc",))])


def _basic_block(c_in: int, c_out: int, stride: int, param: Parameterization) -> _Parts:
    """Two 3×3 convolutions beside the input, or a 1×1 convolution of it where the shape changes."""
    body = (
        _conv(c_in, c_out, 3, stride, param=param),
        BatchNorm(c_out),
        Activation("relu"),
        _conv(c_out, c_out, 3, param=param),
        BatchNorm(c_out),
    )
    names: tuple[str, ...] = ("conv1", "bn1", "conv2", "bn2")
    shortcut: tuple[Layer, ...] = ()
    if stride > 1 or c_in != c_out:
        shortcut = (_conv(c_in, c_out, 1, stride, param=param), BatchNorm(c_out))
        names += ("downsample.0", "downsample.1")
    return _Parts((Residual(body, shortcut), Activation("relu")), names)


@checked
def resnet18(
    classes: int,
    small_images: bool = True,
    input_shape: tuple[int, int, int] | None = None,
    parameterization: Parameterization = "standard",
) -> Sequential:
    """ResNet-18 (K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016).

    Args:
        classes: outputs.
        small_images: whether it begins with a 3×3 convolution, as for 32×32 pixels; False is the stem for ImageNet, a
            7×7 convolution and a max pool, with strides of 2.
        input_shape: (height, width, channels); None is (32, 32, 3) for small images and (224, 224, 3) else.
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        The network.

    Example:
        >>> resnet18(1000, small_images=False).n_trainable
        11689512
    """
    shape = input_shape or ((32, 32, 3) if small_images else (224, 224, 3))
    parts = _resnet((64, 128, 256, 512), 2, shape[2], classes, small_images, parameterization)
    return Sequential(shape, parts.layers)


@checked
def resnet8(
    classes: int,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    parameterization: Parameterization = "standard",
) -> Sequential:
    """A residual network of three basic blocks with 16, 32 and 64 channels, for images of 28×28 or 32×32.

    Args:
        classes: outputs.
        input_shape: (height, width, channels).
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        The network.

    Example:
        >>> resnet8(10, (28, 28, 1)).n_trainable
        77754
    """
    parts = _resnet((16, 32, 64), 1, input_shape[2], classes, True, parameterization)
    return Sequential(input_shape, parts.layers)


_VGG11 = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")


def _vgg11(channels: int, classes: int, batch_norm: bool, param: Parameterization) -> _Parts:
    """Configuration A of K. Simonyan, A. Zisserman 2015; features are numbered as in a list of all layers."""
    layers: list[Layer] = []
    names: list[str] = []
    c_in = channels
    for entry in _VGG11:
        if isinstance(entry, str):
            layers.append(MaxPool((2, 2)))
            continue
        named: list[Layer] = [_conv(c_in, entry, 3, param=param, bias=True)]
        named += [BatchNorm(entry)] if batch_norm else []
        names += [f"features.{len(layers) + index}" for index in range(len(named))]
        layers += [*named, Activation("relu")]
        c_in = entry
    head: tuple[Layer, ...] = (
        AdaptiveAvgPool((7, 7)),
        Flatten(),
        Dense(512 * 49, 4096, param, HE, 0.0),
        Activation("relu"),
        Dropout(0.5),
        Dense(4096, 4096, param, HE, 0.0),
        Activation("relu"),
        Dropout(0.5),
        Dense(4096, classes, param, 1.0, 0.0),
    )
    return _Parts((*layers, *head), (*names, "classifier.0", "classifier.3", "classifier.6"))


@checked
def vgg11(
    classes: int,
    batch_norm: bool = True,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    parameterization: Parameterization = "standard",
) -> Sequential:
    """VGG-11 (K. Simonyan, A. Zisserman, "Very deep convolutional networks", 2015); 32×32 images are the smallest.

    Args:
        classes: outputs.
        batch_norm: whether every convolution is followed by batch normalisation.
        input_shape: (height, width, channels).
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        The network.

    Example:
        >>> vgg11(1000).n_trainable
        132868840
    """
    return Sequential(input_shape, _vgg11(input_shape[2], classes, batch_norm, parameterization).layers)


_MBCONV = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
"""Stages: expansion, size of the kernel, stride, input and output channels, blocks."""


def _efficientnet_b0(channels: int, classes: int, param: Parameterization) -> _Parts:
    """EfficientNet-B0 with the names of torchvision, where each convolution with its norm is a block of its own."""
    parts = [_normed(channels, 32, 3, 2, param).under("features.0")]
    total, count = sum(stage[-1] for stage in _MBCONV), 0
    for index, (expansion, size, stride, c_in, c_out, blocks) in enumerate(_MBCONV, start=1):
        for block in range(blocks):
            sizes = (c_in if not block else c_out, c_out, size, stride if not block else 1)
            inner = _mbconv(expansion, *sizes, 0.2 * count / total, param)
            parts.append(inner.under(f"features.{index}.{block}.block"))
            count += 1
    parts.append(_normed(320, 1280, 1, 1, param).under("features.8"))
    head = (GlobalAvgPool(), Dropout(0.2), Dense(1280, classes, param, 1.0, 0.0))
    return _together([*parts, _Parts(head, ("classifier.1",))])


def _normed(
    c_in: int, c_out: int, size: int, stride: int, param: Parameterization, groups: int = 1
) -> _Parts:
    """A convolution, its batch norm and silu."""
    conv = _conv(c_in, c_out, size, stride, param=param, groups=groups)
    return _Parts((conv, BatchNorm(c_out), Activation("silu")), ("0", "1"))


def _mbconv(
    expansion: int, c_in: int, c_out: int, size: int, stride: int, drop: float, param: Parameterization
) -> _Parts:
    """Expansion, depthwise convolution, squeeze-and-excite and projection, beside the input where shapes agree."""
    width = expansion * c_in
    steps = [] if expansion == 1 else [_normed(c_in, width, 1, 1, param)]
    steps.append(_normed(width, width, size, stride, param, groups=width))
    squeezed = max(1, c_in // 4)
    # Two 1×1 convolutions of the pooled image are two dense layers of its channels.
    gate = Gate(
        (
            GlobalAvgPool(),
            Dense(width, squeezed, param, HE, 0.0),
            Activation("silu"),
            Dense(squeezed, width, param, 1.0, 0.0),
            Activation("sigmoid"),
        )
    )
    steps.append(_Parts((gate,), ("fc1", "fc2")))
    projection = _normed(width, c_out, 1, 1, param)
    steps.append(_Parts(projection.layers[:2], projection.names))
    body = _together([step.under(str(number)) for number, step in enumerate(steps)])
    if stride > 1 or c_in != c_out:
        return body
    return _Parts((Residual((*body.layers, Dropout(drop, whole=True))),), body.names)


@checked
def efficientnet_b0(
    classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    parameterization: Parameterization = "standard",
) -> Sequential:
    """EfficientNet-B0 (M. Tan, Q. Le, "EfficientNet: rethinking model scaling", 2019).

    Args:
        classes: outputs.
        input_shape: (height, width, channels).
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        The network.

    Example:
        >>> efficientnet_b0(1000).n_trainable
        5288548
    """
    return Sequential(input_shape, _efficientnet_b0(input_shape[2], classes, parameterization).layers)


MODELS: dict[str, Callable[[int, int, Parameterization], Iterator[_Parts]]] = {
    "resnet18": lambda c, k, param: (
        _resnet((64, 128, 256, 512), 2, c, k, small, param) for small in (True, False)
    ),
    "resnet8": lambda c, k, param: iter([_resnet((16, 32, 64), 1, c, k, True, param)]),
    "vgg11": lambda c, k, param: (_vgg11(c, k, normed, param) for normed in (True, False)),
    "efficientnet_b0": lambda c, k, param: iter([_efficientnet_b0(c, k, param)]),
}
"""What each builder makes, for images of so many channels and so many outputs: one entry a variant."""
