"""Wrong labels against loops that replace one label after the other."""

import numpy as np
import pytest
import torch

from genbench.base.sampling import uniforms
from genbench.training.label_noise import corrupted

CLASSES = 5
TARGETS = torch.arange(4000) % CLASSES
DRAWN = uniforms(3, len(TARGETS), columns=2)


def by_hand(rate, kind):
    labels = TARGETS.tolist()
    chosen = [index for index, (who, _) in enumerate(DRAWN) if who < rate]
    if kind == "permuted":
        sources = sorted(chosen, key=lambda index: DRAWN[index, 1])
        for place, source in zip(chosen, sources, strict=True):
            labels[place] = int(TARGETS[source])
        return labels
    for index in chosen:
        others = list(range(CLASSES))
        if kind == "other":
            # Counted on from the right one.
            others = [(labels[index] + shift) % CLASSES for shift in range(1, CLASSES)]
        labels[index] = others[int(DRAWN[index, 1] * len(others))]
    return labels


@pytest.mark.parametrize("kind", ["other", "uniform", "permuted"])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_labels_are_those_of_a_loop(kind, rate):
    assert corrupted(TARGETS, CLASSES, rate, kind, DRAWN).tolist() == by_hand(rate, kind)


@pytest.mark.parametrize(("kind", "right"), [("other", 0.0), ("uniform", 0.2), ("permuted", 0.2)])
def test_how_many_labels_are_right_when_all_are_drawn(kind, right):
    labels = corrupted(TARGETS, CLASSES, 1.0, kind, DRAWN)
    assert labels.eq(TARGETS).float().mean().item() == pytest.approx(right, abs=0.02)
    if kind == "permuted":
        assert torch.equal(labels.bincount(), TARGETS.bincount())


@pytest.mark.parametrize("kind", ["other", "uniform"])
def test_less_noise_is_part_of_more(kind):
    less, more = (corrupted(TARGETS, CLASSES, rate, kind, DRAWN) for rate in (0.2, 0.6))
    changed = less.ne(TARGETS)
    assert torch.equal(less[changed], more[changed])


def test_the_labels_given_stay_as_they_are():
    before = TARGETS.clone()
    corrupted(TARGETS, CLASSES, 1.0, "permuted", DRAWN)
    assert torch.equal(TARGETS, before)
    assert corrupted(TARGETS[:1], CLASSES, 1.0, "permuted", np.zeros((1, 2))).tolist() == [0]
