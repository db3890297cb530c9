"""Networks with complex weights: what looks at outputs has a value, what looks at weights a reason."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.passes import as_the_model_wants, require_real_weights


class Spectral(nn.Module):
    """A Fourier transform, complex weights, and a linear layer behind them."""

    def __init__(self, scale=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.filters = nn.Parameter(scale * torch.randn(4, 5, dtype=torch.complex64))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(torch.fft.irfft(torch.fft.rfft(x) @ self.filters).tanh())


@pytest.fixture
def data():
    torch.manual_seed(1)
    return torch.randn(20, 6), torch.arange(20) % 3


def test_inputs_have_the_precision_of_the_real_or_complex_weights(data):
    network = Spectral()
    assert as_the_model_wants(network, data[0].double()).dtype == torch.float32
    del network.head
    assert as_the_model_wants(network, data[0].double()).dtype == torch.float32
    network.filters = nn.Parameter(network.filters.detach().to(torch.complex128))
    assert as_the_model_wants(network, data[0]).dtype == torch.float64


def test_real_weights_are_taken():
    require_real_weights(nn.Linear(2, 2))
    with pytest.raises(genbench.NotApplicable, match="the weights 'filters' are complex"):
        require_real_weights(Spectral())


def test_measures_have_a_value_or_say_why_there_is_none(data):
    roots = {"initial_model": Spectral(0.9), "siblings": [Spectral(1.1)]}
    found = genbench.evaluate(Spectral(), *data, **roots, measures=[
        "margin_median", "input_jacobian_norm", "feature_norm", "l2", "grad_norm_train", "hessian_trace",
        "linear_regions", "covering_bound",
    ])  # fmt: skip
    for name in ("margin_median", "input_jacobian_norm", "feature_norm"):
        assert found[name].status == "ok", found[name].reason
    for name in ("l2", "grad_norm_train", "hessian_trace", "covering_bound"):
        assert "are complex" in found[name].reason
    assert "not at tanh" in found["linear_regions"].reason or "are complex" in found["linear_regions"].reason


def test_networks_between_siblings_have_complex_weights_between_theirs(data):
    class Both(nn.Module):
        """The same function, with the real and the imaginary parts as weights."""

        def __init__(self, of):
            super().__init__()
            self.parts = nn.Parameter(torch.view_as_real(of.filters.detach()).clone())
            self.head = of.head

        def forward(self, x):
            filters = torch.view_as_complex(self.parts)
            return self.head(torch.fft.irfft(torch.fft.rfft(x) @ filters).tanh())

    networks = [Spectral(scale) for scale in (1.0, -2.0)]
    name = "interpolation_barrier"
    found, expected = (
        genbench.evaluate(one, *data, siblings=[other], measures=[name])[name]
        for one, other in (networks, [Both(each) for each in networks])
    )
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
