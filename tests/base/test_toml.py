"""TOML that would take minutes or all memory is refused at once."""

from __future__ import annotations

import re
import time

import pytest

from genbench.base.toml import as_toml, parse_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".".join(["a"] * 100_000) + " = 1", "a key of more than 30 parts (at line 1)"),
        ("x = 1\n" + " . ".join(['"a"'] * 50_000) + " = 1", "a key of more than 30 parts (at line 2)"),
        ("[" + ".".join(["a-b"] * 1000) + "]", "a key of more than 30 parts"),
        ("x = { " + ".".join(["a"] * 1000) + " = 1 }", "a key of more than 30 parts"),
        ("x = " + "[" * 100_000, "it is nested too deep"),
        ("#" * 5_000_000, "it has 5,000,000 characters, more than 4,000,000"),
    ],
    ids=["dotted", "quoted", "header", "inline", "brackets", "long"],
)
def test_what_takes_too_long_is_a_line(text, said):
    before = time.process_time()
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_toml(text)
    assert time.process_time() - before < 5


@pytest.mark.parametrize("text", ["a" * 3_000_000, "'" * 300_000, "a." * 29 + "b = 1", ". " * 1_000_000])
def test_looking_for_deep_keys_is_quick_whatever_the_text(text):
    before = time.process_time()
    assert parse_toml(f'x = """{text}"""') == {"x": text}
    assert time.process_time() - before < 5


def test_what_is_written_is_read_again():
    content = {"title": "a.b.c", "model": [{"name": "mlp", "width": [1, 2]}], "x": 0.5, "y": True}
    assert parse_toml(as_toml(content)) == content
