"""Times as people write them."""

import pytest

from genbench.base.durations import in_words, parse_duration
from genbench.base.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2700), ("45 min", 2700), ("2h", 7200), ("2h30m", 9000), ("1.5 days", 129600),
     ("2 Hours", 7200), ("1d 2h", 93600)],
)  # fmt: skip
def test_a_time_has_units(text, seconds):
    assert parse_duration(text, "--budget") == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "two hours", "2h30", "-2h", "2x", "1ms", "0s", "2 h ago", "nan h"]
)
def test_what_is_no_time_is_refused_with_what_one_looks_like(text):
    with pytest.raises(UsageError, match="--budget"):
        parse_duration(text, "--budget")


def test_a_time_is_told_in_the_unit_that_suits_it():
    assert [in_words(each) for each in (4, 120, 7200, 300000)] == ["4 s", "2 min", "2.0 h", "3.5 days"]
