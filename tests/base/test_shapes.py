"""Shapes of parsed JSON: the first place that has another one is named."""

from __future__ import annotations

from typing import Any

import pytest

from genbench.base.shapes import misplaced

NUMBER = (int, float, type(None))


@pytest.mark.parametrize(
    ("content", "shape", "place"),
    [
        (1, int, ""),
        (True, int, "content"),
        (True, bool, ""),
        (1.5, NUMBER, ""),
        (None, NUMBER, ""),
        (False, NUMBER, "content"),
        ("+", ("+", "-"), ""),
        ("*", ("+", "-"), "content"),
        ({"a": 1}, {"a": int, "b?": str}, ""),
        ({"a": 1, "b": 2}, {"a": int, "b?": str}, "b"),
        ({"b": ""}, {"a": int, "b?": str}, "a"),
        ({"a": {"b": [{"c": 1}, {"c": ""}]}}, {"a": {"b": [{"c": int}]}}, "a.b.c"),
        ({"x": 1, "y": ""}, {"*": int}, "*"),
        ({"a": "", "x": 1}, {"a": str, "*": int}, ""),
        ([], {"a": int}, "content"),
        ({}, [int], "content"),
    ],
)
def test_the_first_place_of_another_shape_is_named(content: Any, shape: Any, place: str):
    assert misplaced(content, shape) == place
