"""Numbers that travel: short, and still told apart where a figure tells them apart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.report.numbers import VISIBLE, _all_rounded, column, rounded, thinned


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, 0.1235),
        (-1234567.0, -1235000),
        (0.0, 0),
        (3.0, 3),
        (1e-300, 1e-300),
        (math.nan, None),
        (None, None),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_a_number_is_rounded_to_significant_digits(value, expected):
    assert rounded(value) == expected


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=30))
def test_a_column_keeps_what_can_be_seen(values):
    short = column(values)
    finite = [each for each in values if math.isfinite(each)]
    spread = max(finite) - min(finite) if finite else 0.0
    for value, kept in zip(values, short, strict=True):
        if math.isnan(value):
            assert kept is None
        elif math.isinf(value):
            assert kept == ("inf" if value > 0 else "-inf")
        else:
            allowed = spread / VISIBLE if math.isfinite(spread) else 1e-3 * abs(value)
            assert abs(kept - value) <= max(allowed, 1e-12 * abs(value), 1e-3 * abs(value) * (spread == 0))


@pytest.mark.parametrize("digits", [4, 5, 9, 12])
def test_many_numbers_are_rounded_as_one_is(digits):
    random = np.random.default_rng(digits)
    values = random.choice([-1.0, 1.0], 4000) * 10 ** random.uniform(-30, 30, 4000)
    halves = (random.integers(10 ** (digits - 1), 10**digits, 500) + 0.5) / 10.0 ** random.integers(0, 9, 500)
    powers = np.concatenate([10.0 ** np.arange(-25, 26), np.nextafter(10.0 ** np.arange(-25, 26), 0)])
    odd = [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 3.0, 999950.0]
    numbers = np.concatenate([values, halves, powers, odd])
    found = _all_rounded(numbers, digits)
    expected = [rounded(float(each), digits) for each in numbers]
    assert list(map(repr, found)) == list(map(repr, expected))


def test_close_values_stay_apart():
    values = [1 - 1e-9 * place for place in range(100)]
    assert len(set(column(values))) == 100


@pytest.mark.parametrize(("count", "most"), [(0, 12), (5, 12), (12, 12), (13, 12), (500, 60), (100_000, 12)])
def test_thinning_keeps_both_ends(count, most):
    chosen = list(thinned(count, most))
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    if count:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
