"""Models by name: their published parameter lists, the way from a state_dict, and what is refused."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Dropout,
    Residual,
    efficientnet_b0,
    empirical_ntk,
    estimate_ntk,
    from_state_dict,
    mlp,
    resnet8,
    resnet18,
    state_dict_shapes,
    tiny_transformer,
    vgg11,
)
from verification.layer_nets import arrays_of

RESNET18, VGG11, EFFICIENTNET = 11_689_512, 132_868_840, 5_288_548
"""Published numbers of trainable parameters, for 1,000 classes."""


def batch_norm(name, size):
    return {f"{name}.{word}": (size,) for word in ("weight", "bias", "running_mean", "running_var")}


def resnet18_by_definition(classes):
    """Names and shapes of ResNet-18, written from its definition."""
    shapes = {"conv1.weight": (64, 3, 7, 7), **batch_norm("bn1", 64)}
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            before = width if block or stage == 1 else width // 2
            name = f"layer{stage}.{block}"
            shapes |= {f"{name}.conv1.weight": (width, before, 3, 3), **batch_norm(f"{name}.bn1", width)}
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3), **batch_norm(f"{name}.bn2", width)}
            if before != width:
                shapes[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                shapes |= batch_norm(f"{name}.downsample.1", width)
    return shapes | {"fc.weight": (classes, 512), "fc.bias": (classes,)}


def efficientnet_by_definition(classes):
    """Names and shapes of EfficientNet-B0, written from its table of stages."""
    shapes = {"features.0.0.weight": (32, 3, 3, 3), **batch_norm("features.0.1", 32)}
    before = 32
    table = [
        (1, 3, 16, 1),
        (6, 3, 24, 2),
        (6, 5, 40, 2),
        (6, 3, 80, 3),
        (6, 5, 112, 3),
        (6, 5, 192, 4),
        (6, 3, 320, 1),
    ]
    for stage, (expansion, size, after, blocks) in enumerate(table, start=1):
        for block in range(blocks):
            name, width, step = f"features.{stage}.{block}.block", expansion * before, 0
            if expansion > 1:
                shapes |= {f"{name}.0.0.weight": (width, before, 1, 1), **batch_norm(f"{name}.0.1", width)}
                step = 1
            shapes |= {
                f"{name}.{step}.0.weight": (width, 1, size, size),
                **batch_norm(f"{name}.{step}.1", width),
            }
            squeezed = before // 4
            shapes[f"{name}.{step + 1}.fc1.weight"] = (squeezed, width, 1, 1)
            shapes[f"{name}.{step + 1}.fc1.bias"] = (squeezed,)
            shapes[f"{name}.{step + 1}.fc2.weight"] = (width, squeezed, 1, 1)
            shapes[f"{name}.{step + 1}.fc2.bias"] = (width,)
            shapes[f"{name}.{step + 2}.0.weight"] = (after, width, 1, 1)
            shapes |= batch_norm(f"{name}.{step + 2}.1", after)
            before = after
    shapes |= {"features.8.0.weight": (1280, 320, 1, 1), **batch_norm("features.8.1", 1280)}
    return shapes | {"classifier.1.weight": (classes, 1280), "classifier.1.bias": (classes,)}


def vgg11_by_definition(classes):
    """Names and shapes of VGG-11 with batch norm, by the numbers of its features."""
    shapes, before = {}, 3
    places = (0, 4, 8, 11, 15, 18, 22, 25)
    for place, width in zip(places, (64, 128, 256, 256, 512, 512, 512, 512), strict=True):
        shapes |= {f"features.{place}.weight": (width, before, 3, 3), f"features.{place}.bias": (width,)}
        shapes |= batch_norm(f"features.{place + 1}", width)
        before = width
    for place, after, inner in ((0, 4096, 25088), (3, 4096, 4096), (6, classes, 4096)):
        shapes |= {f"classifier.{place}.weight": (after, inner), f"classifier.{place}.bias": (after,)}
    return shapes


PUBLISHED = {
    "resnet18": (resnet18(1000, small_images=False), resnet18_by_definition(1000), RESNET18),
    "efficientnet_b0": (efficientnet_b0(1000), efficientnet_by_definition(1000), EFFICIENTNET),
    "vgg11": (vgg11(1000), vgg11_by_definition(1000), VGG11),
}


@pytest.mark.parametrize(("net", "shapes", "count"), PUBLISHED.values(), ids=PUBLISHED)
def test_names_shapes_and_numbers_are_those_published(net, shapes, count):
    assert state_dict_shapes(net) == shapes
    running = sum(math.prod(shape) for name, shape in shapes.items() if "running" in name)
    assert net.n_trainable == count
    assert sum(map(math.prod, shapes.values())) == count + running == net.n_params
    assert vgg11(10, batch_norm=False).n_trainable < vgg11(10).n_trainable


def by_torch_layout(net, arrays, x):
    """The forward pass of resnet8 on channels-first images, convolution by convolution, from the published arrays."""

    def conv(x, weight, stride):
        half = weight.shape[2] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
        oh, ow = (-(-size // stride) for size in x.shape[2:])
        y = np.zeros((len(x), len(weight), oh, ow))
        for a, b in np.ndindex(weight.shape[2:]):
            part = padded[:, :, a : a + stride * oh : stride, b : b + stride * ow : stride]
            y += np.einsum("oi,nihw->nohw", weight[:, :, a, b], part)
        return y

    def norm(x, name):
        gain, bias, mean, var = (arrays[f"{name}.{word}"][None, :, None, None] for word in
                                 ("weight", "bias", "running_mean", "running_var"))  # fmt: skip
        return gain * (x - mean) / np.sqrt(var + 1e-5) + bias

    x = np.maximum(norm(conv(x, arrays["conv1.weight"], 1), "bn1"), 0)
    for stage in (1, 2, 3):
        name, stride = f"layer{stage}.0", 1 if stage == 1 else 2
        y = np.maximum(norm(conv(x, arrays[f"{name}.conv1.weight"], stride), f"{name}.bn1"), 0)
        y = norm(conv(y, arrays[f"{name}.conv2.weight"], 1), f"{name}.bn2")
        if stage > 1:
            x = norm(conv(x, arrays[f"{name}.downsample.0.weight"], stride), f"{name}.downsample.1")
        x = np.maximum(x + y, 0)
    return x.mean(axis=(2, 3)) @ arrays["fc.weight"].T + arrays["fc.bias"]


def test_published_arrays_give_the_published_function(tmp_path):
    net = resnet8(4, (9, 8, 3))
    arrays = arrays_of(net)
    X = np.random.default_rng(1).standard_normal((2, 9, 8, 3))
    wanted = by_torch_layout(net, arrays, X.transpose(0, 3, 1, 2))
    counters = {"bn1.num_batches_tracked": np.array(7)}
    params = from_state_dict(net, {**arrays, **counters})
    assert abs(net(params, X) - wanted).max() < 1e-12 * abs(wanted).max()
    np.savez(tmp_path / "state.npz", **arrays, **counters)
    assert all(map(np.array_equal, params, from_state_dict(net, tmp_path / "state.npz")))
    turned = {name: a.swapaxes(2, 3) if a.ndim == 4 else a for name, a in arrays.items()}
    assert abs(net(from_state_dict(net, turned), X) - wanted).max() > 1e-3 * abs(wanted).max()


def test_a_flattened_image_is_read_channel_by_channel():
    net = vgg11(2, input_shape=(32, 32, 3))
    shape = state_dict_shapes(net)["classifier.0.weight"]
    from muso_theory.networks.published import _own, _places

    place = next(place for place in _places(net.chain, net.input_shape) if place.image)
    assert place.image == (7, 7, 512)
    row = np.arange(shape[1], dtype=float)  # the entry at channel c, row i, column j is 49c + 7i + j
    found = _own(row[None], 0, place).reshape(7, 7, 512)
    i, j, c = np.indices((7, 7, 512))
    assert np.array_equal(found, 49 * c + 7 * i + j)


def renamed(arrays, old, new):
    return {new if name == old else name: array for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: renamed(a, "fc.weight", "head.weight"), r"fc\.weight \(10, 64\).*names=head\.weight"),
        (
            lambda a: renamed(a, "bn1.weight", "bn1.wieght"),
            r"bn1\.weight .*try 'bn1\.wieght' under that name",
        ),
        (
            lambda a: {k: v for k, v in a.items() if "layer3" not in k},
            r"layer3\.0\.conv1\.weight .*15 missing",
        ),
        (lambda a: {**a, "layer4.0.conv1.weight": np.ones(1)}, r"1 unknown.*nearest name is 'layer"),
        (lambda a: {**a, "fc.bias": np.ones(11)}, r"shape \(10,\) of dense 64→10 but got fc\.bias=\(11,\)"),
        (lambda a: {**a, "bn1.running_var": -np.ones(16)}, "variances of at least 0 but got bn1.running_var"),
        (lambda a: {**a, "fc.bias": np.full(10, np.nan)}, "finite"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(change, words):
    net = resnet8(10)
    with pytest.raises(BadInputError, match=words):
        from_state_dict(net, change(arrays_of(net)))


def test_only_published_networks_have_published_names():
    for net in (mlp([3, 2]), tiny_transformer(5, 3, 2, size=4, blocks=1)):
        with pytest.raises(BadInputError, match="resnet18"):
            from_state_dict(net, {})
    assert state_dict_shapes(resnet8(3, parameterization="ntk")) == state_dict_shapes(resnet8(3))
    assert len(state_dict_shapes(vgg11(3, batch_norm=False))) == 22


@pytest.mark.slow
@pytest.mark.parametrize(
    "net", [resnet18(1), efficientnet_b0(1, (64, 64, 3))], ids=["resnet18", "efficientnet_b0"]
)
def test_large_models_are_differentiated(net):
    params, rng = from_state_dict(net, arrays_of(net)), np.random.default_rng(0)
    X = rng.standard_normal((2, *net.input_shape))
    (gradient,) = [net.vjp(params, X, np.array([[1.0], [0.0]]))]
    for index in rng.choice(np.flatnonzero(net.trainable), 8, replace=False):
        direction = [np.zeros_like(a) for a in params]
        place = tuple(rng.integers(size) for size in params[index].shape)
        direction[index][place] = 1
        h = 1e-5
        ahead, behind = (
            net([a + sign * h * d for a, d in zip(params, direction, strict=True)], X[:1])[0, 0]
            for sign in (1, -1)
        )
        assert abs((ahead - behind) / (2 * h) - gradient[index][place]) <= 1e-5 * max(
            abs(gradient[index]).max(), 1e-3
        )
    kernel = empirical_ntk(net, params, X, max_bytes=1 << 30).reshape(2, 2)
    row = net.flatten(gradient)
    assert abs(kernel[0, 0] - row @ row) <= 1e-12 * kernel[0, 0]
    assert np.linalg.eigvalsh(kernel).min() > 0


# --- estimates -----------------------------------------------------------------------------------------------------


def test_estimates_cover_the_kernel_as_often_as_they_say():
    net = resnet8(2, (4, 4, 1))
    params, X = net.init(0), np.random.default_rng(0).standard_normal((2, 4, 4, 1))
    exact = empirical_ntk(net, params, X).reshape(4, 4)
    found = [estimate_ntk(net, params, X, probes=200, seed=seed) for seed in range(25)]
    covered = np.mean([abs(one.kernel - exact) <= one.error for one in found])
    assert 0.85 < covered <= 1
    assert np.mean([abs(one.trace - np.trace(exact)) <= one.trace_error for one in found]) > 0.8
    halved = np.mean(
        [abs(np.diagonal(one.kernel / 2 - exact)) <= np.diagonal(one.error) / 2 for one in found]
    )
    assert halved < 0.1  # an estimate of half the size is caught
    assert "MEASURED" in repr(found[0])
    again = estimate_ntk(net, params, X, probes=200, seed=0)
    assert np.array_equal(again.kernel, found[0].kernel)
    with pytest.raises(BadInputError, match="confidence"):
        estimate_ntk(net, params, X, confidence=95.0)
    with pytest.raises(BadInputError, match="probes"):
        estimate_ntk(net, params, X, probes=1)


def shaped(net):
    """Arrays of the right shapes that hold one number."""
    return {name: np.broadcast_to(np.float32(1), shape) for name, shape in state_dict_shapes(net).items()}


@pytest.mark.parametrize(
    ("net", "arrays", "hint"),
    [
        (vgg11(10, batch_norm=False), shaped(vgg11(10)), "vgg11(10, batch_norm=True)"),
        (vgg11(10), shaped(vgg11(1000, batch_norm=False)), "vgg11(1000, batch_norm=False)"),
        (resnet18(10), shaped(resnet18(1000, small_images=False)), "resnet18(1000, small_images=False)"),
        (
            resnet8(10),
            {f"module.{name}": array for name, array in shaped(resnet8(10)).items()},
            "{name.removeprefix('module.'): array for name, array in arrays.items()}",
        ),
    ],
)
def test_arrays_of_a_relative_are_told_by_what_would_fit(net, arrays, hint):
    with pytest.raises(BadInputError, match=re.escape(f"; try {hint}")):
        from_state_dict(net, arrays)


def _shapes(net):
    """Each layer at the top with the shape that it is given."""
    shape = net.input_shape
    for layer in net.layers:
        yield layer, shape
        shape = layer.output_shape(shape)


@pytest.mark.parametrize(
    ("net", "residuals", "sides"),
    [
        (resnet18(10), 8, [32, 16, 8, 4, 1]),
        (resnet18(10, small_images=False), 8, [224, 112, 56, 28, 14, 7, 1]),
        (resnet8(10), 3, [32, 16, 8, 1]),
        (vgg11(10), 0, [224, 112, 56, 28, 14, 7, 1]),
        (efficientnet_b0(10), 9, [224, 112, 56, 28, 14, 7, 1]),
    ],
)
def test_a_published_network_has_its_blocks_and_halves_its_images_where_it_says(net, residuals, sides):
    """Whatever has no parameters is in no list of them: strides, shortcuts, dropped blocks."""
    steps = list(_shapes(net))
    blocks = [(layer, shape) for layer, shape in steps if isinstance(layer, Residual)]
    assert len(blocks) == residuals
    halves = list(dict.fromkeys(shape[0] for _, shape in steps if len(shape) == 3))
    assert halves == sides[: len(halves)]
    assert len(halves) >= len(sides) - 1
    for block, shape in blocks:
        # A shortcut of its own stands where the shape changes, and nowhere else.
        assert bool(block.shortcut) is (block.output_shape(shape) != shape)


def test_blocks_are_dropped_more_and_more_often():
    """The k-th of 16 blocks of EfficientNet-B0 at the rate 0.2 k/16, where it has a shortcut; the head at 0.2."""
    net = efficientnet_b0(10)
    first = np.cumsum([0, 1, 2, 2, 3, 3, 4])  # of each stage, where the shape changes
    wanted = [0.2 * k / 16 for k in range(16) if k not in first]
    blocks = [layer for layer in net.layers if isinstance(layer, Residual)]
    drops = [layer for block in blocks for layer in block.body if isinstance(layer, Dropout)]
    assert [layer.rate for layer in drops] == pytest.approx(wanted)
    assert all(layer.whole for layer in drops)
    assert [layer for layer in net.layers if isinstance(layer, Dropout)] == [Dropout(0.2)]
