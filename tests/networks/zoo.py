"""Small networks that between them use every layer, for the tests of networks."""

from __future__ import annotations

from muso_theory.networks import (
    Activation,
    AvgPool,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    Residual,
    Sequential,
    cnn,
    mlp,
)

ANALYTIC = ("identity", "gelu", "tanh", "erf", "sigmoid", "softplus", "sin")
KINKED = ("relu", "leaky_relu")


def smooth(param: str) -> dict[str, Sequential]:
    """Networks with analytic activations only."""
    nets = {f"mlp-{name}": mlp([5, 7, 6, 3], name, param) for name in ANALYTIC}
    nets["mlp-one-output"] = mlp([5, 7, 1], "tanh", param)
    nets["linear"] = mlp([5, 3], "tanh", param)
    nets["cnn-flatten"] = cnn((5, 4, 2), [3, 4], 3, activation="tanh", parameterization=param)
    nets["cnn-pooled"] = cnn(
        (5, 4, 2), [3, 4], 3, activation="erf", parameterization=param, head="global_avg_pool"
    )
    nets["pool-then-dense"] = Sequential(
        (6, 6, 2),
        (
            Conv2D(2, 4, (3, 3), param=param),
            Activation("softplus"),
            AvgPool((2, 2)),
            Conv2D(4, 3, (2, 2), padding="VALID", param=param),
            Activation("erf"),
            GlobalAvgPool(),
            Dense(3, 4, param),
            Activation("sin"),
            Dense(4, 2, param),
        ),
    )
    nets["residual-strided"] = Sequential(
        (6, 5, 2),
        (
            Conv2D(2, 4, (3, 3), stride=(2, 2), param=param),
            Activation("sigmoid"),
            Residual(
                (Conv2D(4, 4, (3, 3), param=param), Activation("tanh"), Conv2D(4, 4, (1, 1), param=param)),
                (Conv2D(4, 4, (1, 1), param=param),),
            ),
            LayerNorm(4),
            Activation("gelu"),
            Conv2D(4, 5, (3, 2), param=param),
            Activation("tanh"),
            GlobalAvgPool(),
            Dense(5, 3, param),
        ),
    )
    nets["residual-last"] = Sequential(
        (5,),
        (
            Dense(5, 4, param),
            LayerNorm(4),
            Activation("tanh"),
            Residual((Dense(4, 3, param),), (Dense(4, 3, param),)),
        ),
    )
    nets["pool-last"] = Sequential(
        (5, 5, 1),
        (
            Conv2D(1, 3, (3, 3), param=param),
            Activation("tanh"),
            AvgPool((3, 3), (2, 2)),
            Conv2D(3, 2, (2, 2), param=param),
            GlobalAvgPool(),
            Activation("tanh"),
        ),
    )
    nets["image-output"] = Sequential(
        (4, 4, 1), (Conv2D(1, 2, (3, 3), param=param), Activation("sin"), AvgPool((2, 2)))
    )
    nets["flatten-pooled"] = Sequential(
        (4, 4, 1),
        (
            Conv2D(1, 3, (3, 3), param=param),
            Activation("tanh"),
            GlobalAvgPool(),
            Activation("sin"),
            Flatten(),
            Dense(3, 2, param),
        ),
    )
    return nets


def kinked(param: str) -> dict[str, Sequential]:
    """Networks with rectifiers."""
    nets = {f"mlp-{name}": mlp([5, 7, 6, 3], name, param) for name in KINKED}
    nets["cnn-relu"] = cnn((4, 3, 1), [2, 3], 2, parameterization=param)
    nets["cnn-relu-pooled"] = cnn((4, 3, 1), [2, 3], 2, parameterization=param, head="global_avg_pool")
    return nets
