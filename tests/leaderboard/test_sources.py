"""Sources read off the text of the modules, against what the measures declare."""

from genbench.host import Host
from genbench.leaderboard.sources import sources
from genbench.report.catalog import rows


def test_every_measure_that_comes_with_genbench_has_the_source_it_declares():
    declared = {
        row["name"]: row["source"] for row in rows(Host.load(), "measures") if row["plugin"] == "core"
    }
    assert {name: sources().get(name, "") for name in declared} == declared
