"""One contender of the NTK timing, in a process of its own: reads a network file, then times a kernel a line.

It runs under any Python that has the contender installed, so it imports numpy and the contender alone
(``muso`` and ``naive`` need this package). Every contender is pinned to one core and one thread; compilation
and warming up happen before "ready". Protocol: for every line read, one evaluation, answered by one JSON line with
processor seconds (of one thread, so other work on the machine does not count) and seconds on the wall.

    python verification/ntk_worker.py CONTENDER NETWORK.npz INPUTS.npz CONTRACTION
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import types
from pathlib import Path

THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def memory(field):
    """A figure of /proc/self/status in bytes, 0 where the system has none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def reset_peak():
    """Make the resident peak start from now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def layers_of(path):
    """Architecture and parameters of a network file, without this package."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        arch = json.loads(str(file["arch"][()]))
        params = [file[f"p{index:03d}"] for index in range(len(file.files) - 1)]
    return arch["layers"], params


def muso(path, X, contract):
    """This package."""
    from muso_theory.networks import empirical_ntk, load

    net, params = load(path)
    return lambda second: empirical_ntk(net, params, X, second, contract, threads=1)


def naive(path, X, contract):
    """The Jacobian of this package, contracted with itself."""
    import numpy as np

    from muso_theory.networks import load

    net, params = load(path)

    def run(second):
        left = net.jacobian(params, X)
        right = left if second is None else net.jacobian(params, second)
        n, k, d = left.shape
        if contract == "trace":
            return left.reshape(n, k * d) @ right.reshape(len(right), k * d).T
        return (left.reshape(n * k, d) @ right.reshape(-1, d).T).reshape(n, k, -1, k)

    return lambda second: np.asarray(run(second))


def neural_tangents(path, X, contract, mode):
    """neural-tangents in one of its modes, compiled."""
    # the TensorFlow bridge is imported on the way and needs TensorFlow; nothing here uses it
    sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")
    import jax
    import jax.numpy as jnp
    from jax._src import source_info_util
    from jax.interpreters import ad

    # neural-tangents 0.6.5 asks for two names where newer versions of jax do not have them any more.
    ad.source_info_util, ad.config = source_info_util, jax.config
    import neural_tangents as nt

    layers, params = layers_of(path)
    theta = [jnp.asarray(p) for p in params]
    X = jnp.asarray(X)
    activations = {None: lambda z: z, "relu": jax.nn.relu, "erf": jax.scipy.special.erf, "tanh": jnp.tanh}

    def apply(theta, x):
        arrays = iter(theta)
        for layer in layers:
            if layer["type"] == "dense":
                W, b = next(arrays), next(arrays)
                x = x @ W * (layer["w_std"] / math.sqrt(layer["n_in"])) + layer["b_std"] * b
            elif layer["type"] == "conv2d":
                W, b = next(arrays), next(arrays)
                z = jax.lax.conv_general_dilated(
                    x, W, tuple(layer["stride"]), layer["padding"], dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                fan_in = layer["kernel"][0] * layer["kernel"][1] * layer["c_in"]
                x = z * (layer["w_std"] / math.sqrt(fan_in)) + layer["b_std"] * b
            elif layer["type"] == "flatten":
                x = x.reshape(x.shape[0], -1)
            else:
                x = x.mean(axis=(1, 2))
            x = activations[layer.get("activation")](x)
        return x

    implementation = {
        "structured": nt.NtkImplementation.STRUCTURED_DERIVATIVES,
        "jacobian": nt.NtkImplementation.JACOBIAN_CONTRACTION,
        "ntvp": nt.NtkImplementation.NTK_VECTOR_PRODUCTS,
    }[mode]
    axes = (-1,) if contract == "trace" else ()
    kernel = jax.jit(nt.empirical_ntk_fn(apply, trace_axes=axes, vmap_axes=0, implementation=implementation))
    return lambda second: kernel(
        X, None if second is None else jnp.asarray(second), theta
    ).block_until_ready()


def torch_func(path, X, contract):
    """torch.func: per-example Jacobians by vmap of jacrev, contracted parameter by parameter."""
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    layers, params = layers_of(path)
    theta = tuple(torch.tensor(p) for p in params)
    X = torch.tensor(X)
    activations = {None: lambda z: z, "relu": torch.relu, "erf": torch.erf, "tanh": torch.tanh}

    def apply(theta, x):
        arrays = iter(theta)
        x = x[None]
        for layer in layers:
            if layer["type"] == "dense":
                W, b = next(arrays), next(arrays)
                x = x @ W * (layer["w_std"] / math.sqrt(layer["n_in"])) + layer["b_std"] * b
            elif layer["type"] == "conv2d":
                W, b = next(arrays), next(arrays)
                image, kernel = x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1)
                z = torch.nn.functional.conv2d(image, kernel, padding=layer["padding"].lower())
                fan_in = layer["kernel"][0] * layer["kernel"][1] * layer["c_in"]
                x = z.permute(0, 2, 3, 1) * (layer["w_std"] / math.sqrt(fan_in)) + layer["b_std"] * b
            elif layer["type"] == "flatten":
                x = x.reshape(1, -1)
            else:
                x = x.mean(dim=(1, 2))
            x = activations[layer.get("activation")](x)
        return x[0]

    jacobian = torch.func.vmap(torch.func.jacrev(apply), (None, 0))
    spec = "Naf,Maf->NM" if contract == "trace" else "Naf,Mbf->NaMb"

    def run(second):
        left = [j.flatten(2) for j in jacobian(theta, X)]
        right = left if second is None else [j.flatten(2) for j in jacobian(theta, torch.tensor(second))]
        return sum(torch.einsum(spec, a, b) for a, b in zip(left, right, strict=True))

    return run


def corner(kernel, contender, contract):
    """A few entries in the common layout and convention, to compare values."""
    import numpy as np

    kernel = np.asarray(
        kernel[:8, :8] if contract == "trace" or contender.startswith("nt") else kernel[:8, :, :8]
    )
    if contract != "trace" and contender.startswith("nt"):
        kernel = kernel.transpose(0, 2, 1, 3)  # theirs is (n1, n2, k, k)
    return kernel.tolist()


def main(contender, network, inputs, contract):
    """Announce readiness with a few entries of the kernel, then evaluate once a line."""
    os.environ.update(THREADS)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import numpy as np

    X = np.load(inputs)["X"]
    if contender == "torch":
        run = torch_func(network, X, contract)
    elif contender.startswith("nt-"):
        run = neural_tangents(network, X, contract, contender.removeprefix("nt-"))
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        run = {"muso": muso, "naive": naive}[contender](network, X, contract)
    first = run(None)
    size = int(np.prod(first.shape)) * 8
    print(
        json.dumps({"ready": contender, "bytes": size, "corner": corner(first, contender, contract)}),
        flush=True,
    )
    del first
    for line in sys.stdin:
        second = X.copy() if line.strip() == "copy" else None
        reset_peak()
        before, start, wall = memory("VmRSS"), time.process_time(), time.perf_counter()
        result = run(second)
        seconds, wall = time.process_time() - start, time.perf_counter() - wall
        peak = max(0, memory("VmHWM") - before - size)
        del result
        print(json.dumps({"seconds": seconds, "wall": wall, "peak": peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
