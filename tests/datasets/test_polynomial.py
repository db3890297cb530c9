import numpy as np
import torch

from genbench.datasets.polynomial import curve, polynomial
from genbench.host.settings import check
from genbench.host.signatures import describe


def test_curves_follow_the_paper():
    x = np.array([-5.0, -4.0, 0.0, 2.0])
    assert np.allclose(curve(x, "quadratic"), [40.5, 29.52, 10.0, 14.88])
    assert np.allclose(curve(x, "mixed"), [40.5 - 1.22, 29.52, 10.0, 14.88])


def test_grid_without_noise_is_the_curve():
    data = polynomial(None, function="mixed", noise=0.0)
    x = data.train.inputs.double().numpy()
    assert data.train.inputs.shape == (100, 1)
    assert (x.min(), x.max()) == (-8, 8)
    assert (data.test.inputs.min(), data.test.inputs.max()) == (-2, 2)
    assert np.allclose(data.train.targets, curve(x, "mixed"), rtol=1e-6)
    assert data.task.kind == "regression"


def test_noise_is_a_standard_deviation_and_has_its_own_seed():
    clean = polynomial(None, noise=0.0, train_points=20000).train.targets
    noisy = polynomial(None, noise=3.0, train_points=20000).train.targets
    assert abs((noisy - clean).std() - 3) < 0.1
    assert torch.equal(noisy, polynomial(None, noise=3.0, train_points=20000).train.targets)
    assert not torch.equal(noisy, polynomial(None, noise=3.0, train_points=20000, data_seed=1).train.targets)


def test_bad_settings_are_refused_when_a_suite_is_read():
    _, problems = check(
        describe(polynomial, "core"), {"noise": -1, "function": "cubik", "train_points": 0, "nois": 1}
    )
    assert len(problems) == 4
