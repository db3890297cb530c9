"""A polynomial in place of ReLU, which makes the whole network a polynomial of its inputs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from torch import Tensor, nn

__all__ = ["PolynomialActivation", "relu_coefficients"]


@lru_cache(maxsize=32)
def relu_coefficients(degree: int) -> tuple[float, ...]:
    """The polynomial p of a degree that minimizes ∫ (p(t) − max(t, 0))² dt over [−1, 1].

    ReLU is t/2 + |t|/2: the first part is met exactly, the second is projected on the even Legendre
    polynomials, by a Gauss rule on [0, 1] that is exact for the integrands.

    Returns
    -------
    tuple of float
        Coefficients of 1, t, ..., t^degree.
    """
    nodes, weights = legendre.leggauss(degree // 2 + 2)
    t, weights = (nodes + 1) / 2, weights / 2
    projected = np.zeros(degree + 1)
    for order in range(degree + 1):
        basis = legendre.legval(t, np.eye(degree + 1)[order])
        if order % 2 == 0:
            projected[order] = (2 * order + 1) / 2 * float(weights @ (t * basis))
        elif order == 1:
            projected[order] = 0.5
    powers = legendre.leg2poly(projected)
    return tuple(float(each) for each in np.pad(powers, (0, degree + 1 - len(powers))))


class PolynomialActivation(nn.Module):
    """r · p(x / r), p being the least-squares polynomial for ReLU on [−1, 1].

    Zhang, Liao et al. 2017, Theory of deep learning III, section 9.10, take degree 10 and show
    the polynomial without its coefficients or its interval. Outside of [−r, r] it leaves ReLU at once, as
    fast as the highest power grows, so that the interval must hold what enters: the all-convolutional
    network on pictures of CIFAR-10 diverges in its first epoch with r = 5 and 8, with r = 16 now and then,
    and trains as that with ReLU does with r = 24. A rate that ReLU bears can still be too high.

    Parameters
    ----------
    degree : int
    radius : float
        The r of the interval [−r, r] that it is fitted on.
    """

    def __init__(self, degree: int = 10, radius: float = 24.0):
        super().__init__()
        self.degree = degree
        self.radius = radius
        self.coefficients = relu_coefficients(degree)

    def forward(self, inputs: Tensor) -> Tensor:
        """The polynomial at each number, by Horner's scheme."""
        t = inputs / self.radius
        value = t * self.coefficients[-1]
        for coefficient in self.coefficients[-2:0:-1]:
            value = (value + coefficient) * t
        return (value + self.coefficients[0]) * self.radius

    def extra_repr(self) -> str:
        """Degree and radius, for the printed network."""
        return f"degree={self.degree}, radius={self.radius}"
