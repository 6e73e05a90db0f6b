"""What torchvision says of one model: arrays by name, outputs in both precisions, and the tangent kernel.

It runs under a Python that has torch and torchvision, and imports nothing else. Parameters and running statistics are
random, so that no name or layout can be mistaken unseen.

    python verification/torch_worker.py MODEL SIZE SAMPLES OUTPUTS OUT.npz
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def model(torch, torchvision, name, outputs):
    """One model; of small images the stem that published code for 32×32 pixels has."""
    if name != "resnet18-small":
        return getattr(torchvision.models, name)(num_classes=outputs)
    found = torchvision.models.resnet18(num_classes=outputs)
    found.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    found.maxpool = torch.nn.Identity()
    return found


def randomise(torch, net):
    """Gains, biases and running statistics of no special value."""
    source = torch.Generator().manual_seed(1)
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=source, dtype=value.dtype))
        elif value.ndim == 1:
            middle = 0.5 if name.endswith("weight") else 0.0
            value.copy_(middle + 0.3 * torch.randn(value.shape, generator=source, dtype=value.dtype))


def kernel(torch, net, images):
    """The full tangent kernel, row of J by row."""
    rows = []
    for output in net(images).reshape(-1):
        parts = torch.autograd.grad(output, list(net.parameters()), retain_graph=True)
        rows.append(torch.cat([part.reshape(-1) for part in parts]))
    jacobian = torch.stack(rows)
    return (jacobian @ jacobian.T).numpy()


def main(name: str, size: str, samples: str, outputs: str, out: str) -> None:
    """Write what was found, and print the seconds of a forward pass of 128 images."""
    import torch
    import torchvision

    torch.manual_seed(0)
    net = model(torch, torchvision, name, int(outputs)).double().eval()
    randomise(torch, net)
    X = np.random.default_rng(0).standard_normal((int(samples), int(size), int(size), 3))
    images = torch.from_numpy(X.transpose(0, 3, 1, 2).copy())
    arrays = {key: value.numpy().copy() for key, value in net.state_dict().items()}
    found = {"X": X, "kernel": kernel(torch, net, images)}
    with torch.no_grad():
        found["outputs"] = net(images).numpy()
        single = net.float()
        found["single"] = single(images.float()).numpy()
        many = torch.zeros(128, 3, int(size), int(size))
        seconds = []
        for _ in range(3):
            started = time.process_time()
            single(many)
            seconds.append(time.process_time() - started)
    np.savez(out, **found, **{f"state/{key}": value for key, value in arrays.items()})
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({"versions": versions, "forward seconds": min(seconds)}))


if __name__ == "__main__":
    Path(sys.argv[-1]).parent.mkdir(parents=True, exist_ok=True)
    main(*sys.argv[1:])
