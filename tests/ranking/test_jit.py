"""Compiled loops where no folder can hold them, and threads that keep the order."""

import numba
import numpy as np

from genbench.ranking.jit import compiled, in_threads, one_thread_each


def double(array):
    total = 0.0
    for k in range(len(array)):
        total += 2 * array[k]
    return total


def test_compiles_without_a_folder_to_keep_code_in(monkeypatch):
    original = numba.njit

    def njit(*functions, **options):  # numba's own modules, imported late, decorate without options
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'double': no locator available for file")
        return original(*functions, **options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(double)(np.arange(3.0)) == 6


def test_threads_keep_the_order_and_pass_errors_on():
    assert in_threads(lambda k: k * k, range(20)) == [k * k for k in range(20)]
    assert in_threads(abs, []) == []
    with one_thread_each():
        assert np.allclose(np.eye(3) @ np.ones(3), 1)
