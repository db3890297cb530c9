"""The networks of these tests are small."""

import pytest


@pytest.fixture(autouse=True)
def small_networks(one_thread):
    """One thread is faster than several that wait for each other."""
