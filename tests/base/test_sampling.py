import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genbench.base.sampling import permutation, uniforms


@given(seed=st.integers(0, 2**64 - 1), count=st.integers(1, 200))
def test_permutation_is_one(seed, count):
    assert sorted(permutation(seed, count)) == list(range(count))


@given(seed=st.integers(0, 2**64 - 1), few=st.integers(1, 20), many=st.integers(20, 60))
def test_rows_do_not_depend_on_their_number(seed, few, many):
    assert np.array_equal(uniforms(seed, few, 2), uniforms(seed, many, 2)[:few])


def test_values_are_fixed():
    """What is drawn is part of what a data set is; these must never change."""
    assert permutation(0, 8).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]
    assert uniforms(0, 1, 2).tolist() == [[0.6369616873214543, 0.2697867137638703]]
