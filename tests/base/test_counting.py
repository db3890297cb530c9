"""Numbers of things in words."""

from genbench.base.counting import counted


def test_counts_have_the_right_number():
    shown = [counted(count, "network") for count in (0, 1, 2, 1234)]
    assert shown == ["0 networks", "1 network", "2 networks", "1,234 networks"]
    assert [counted(count, "entry") for count in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
