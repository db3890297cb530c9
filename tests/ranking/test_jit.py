"""Compiled loops where no folder can hold them, and threads that keep the order."""

import threading
import time

import numba
import numpy as np
import pytest

from genbench.ranking.jit import compiled, in_threads, one_thread_each, side_by_side


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


def test_what_takes_long_is_done_side_by_side_in_order():
    together = threading.Barrier(2, timeout=20)

    def meets(place):
        together.wait()
        return sum(in_threads(lambda each: each * place, range(4), 1_000_000))

    assert side_by_side(meets, [1, 2]) == [6, 12]
    assert side_by_side(abs, [-1]) == [1]
    assert side_by_side(abs, []) == []


def test_whoever_fails_ends_the_others_at_their_next_piece():
    begun, done = threading.Event(), []

    def long(place):
        if place:
            begun.wait(20)
            raise KeyboardInterrupt
        return in_threads(piece, range(1000), 1_000_000)

    def piece(number):
        begun.set()
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(long, [1, 0])
    assert len(done) < 500
    assert in_threads(abs, [-1, -2], 1_000_000) == [1, 2]
