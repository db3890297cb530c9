"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data files beside the checkout; tests that need it skip where it is absent."""
    root = Path(os.environ.get("GENBENCH_SHARED", Path(__file__).parents[2] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip(f"no real data: {root / 'data'} is absent (set GENBENCH_SHARED to the folder that has it)")
    return root / "data"
