"""Regularizers whose numbers on the host came from the step itself, as they were before members."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch.nn import functional as F

from genbench.contract.regularizer import Regularizer
from genbench.regularizers.generalization_layer import GeneralizationLayer
from genbench.regularizers.langevin import Langevin
from genbench.regularizers.noisy_data import Mixup

host_values = Regularizer.host_values


class FrozenLangevin(Langevin):
    __genbench__ = Langevin.__genbench__
    host_values = host_values

    def after_update(self, step):
        deviation = self.deviation(step.index)
        if deviation == 0:
            return
        with torch.no_grad():
            for each in step.model.parameters():
                if each.requires_grad:
                    noise = torch.randn(each.shape, generator=step.generator, device=each.device)
                    each.add_(noise, alpha=deviation)


class FrozenMixup(Mixup):
    __genbench__ = Mixup.__genbench__
    host_values = host_values

    def batch(self, step):
        if self.alpha == 0:
            return None
        draws, task = step.state
        inputs, targets = step.inputs, step.targets
        count = len(inputs)
        partners = torch.randperm(count, generator=step.generator)
        drawn = draws.beta(self.alpha, self.alpha, count if self.per_example else 1)
        shares = torch.from_numpy(drawn).to(dtype=inputs.dtype)
        if task.kind == "classification" and not targets.is_floating_point():
            targets = F.one_hot(targets, task.outputs).to(inputs.dtype)

        def mixed(values):
            weights = shares.reshape(-1, *[1] * (values.dim() - 1)).to(values.dtype)
            return weights * values + (1 - weights) * values[partners]

        return mixed(inputs), mixed(targets)


class FrozenGeneralizationLayer(GeneralizationLayer):
    __genbench__ = GeneralizationLayer.__genbench__
    host_values = host_values

    def batch(self, step):
        for block in step.state:
            block.skip.fill_(self.skip_at(step.progress))


def frozen(regularizer: Regularizer) -> Regularizer:
    """A regularizer as it was."""
    for kind in (FrozenLangevin, FrozenMixup, FrozenGeneralizationLayer):
        if type(regularizer) is kind.__base__:
            return kind(**{each.name: getattr(regularizer, each.name) for each in fields(regularizer)})
    return regularizer
