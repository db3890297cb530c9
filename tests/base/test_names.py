"""Names that become files and folders."""

import pytest

from genbench.base.names import not_a_file_name


@pytest.mark.parametrize("name", ["digits", "my suite", "a-b_c.2", "ünïcode", "console"])
def test_what_names_one_folder_is_taken(name):
    assert not_a_file_name(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../x", "/x", "a/b", "a\\b", "C:x", "x\n", "x\0", ".hidden", "-x", "~x", "x.", "x ", "NUL", "con.txt", "x" * 300],
)  # fmt: skip
def test_what_leaves_its_folder_or_names_none_is_refused(name):
    assert not_a_file_name(name)
