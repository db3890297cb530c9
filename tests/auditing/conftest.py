"""Fits of networks that were never trained: enough to see whether a change keeps a function."""

import pytest
import torch

from genbench import Task
from genbench.host import Host
from genbench.models.convnet import convnet
from genbench.models.mlp import mlp

TASK = Task("classification", (1, 6, 6), 4)

MODELS = {
    "mlp": lambda: mlp(TASK, width=7, depth=2),
    "mlp-tanh": lambda: mlp(TASK, width=7, depth=2, activation="tanh"),
    "convnet": lambda: convnet(TASK, width=5, depth=2),
    "convnet-batch-norm": lambda: convnet(TASK, width=5, depth=2, normalization="batch"),
    "flattened": lambda: torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 4)
    ),
}


def network(name):
    """A network with random weights, biases and, through passes in training mode, running statistics."""
    model = MODELS[name]().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(3):
            model(torch.randn(50, *TASK.input_shape).double())
    return model.eval()


@pytest.fixture(scope="session")
def host():
    return Host.load(rooms={"probes", "measures", "datasets", "models", "protocols", "regularizers"})


@pytest.fixture
def roots():
    """What measures start from, on a network of `MODELS`."""

    def built(name):
        torch.manual_seed(0)
        model, initial, sibling, kept = (network(name) for _ in range(4))
        examples = 24
        return {
            "model": model,
            "initial_model": initial,
            "siblings": [sibling],
            "snapshots": [(0, initial.state_dict()), (5, kept.state_dict()), (9, model.state_dict())],
            "inputs": torch.randn(examples, *TASK.input_shape).double(),
            "targets": torch.arange(examples) % TASK.outputs,
            "task": TASK,
            "history": {"step": [0, 9], "train_loss": [1.4, 0.2]},
        }

    return built
