"""The built-in suites, one TOML file each."""

from pathlib import Path


def genbench_suites() -> list[Path]:
    """The suites that come with genbench."""
    return sorted(Path(__file__).parent.glob("*.toml"))
