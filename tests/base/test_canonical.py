"""Canonical JSON, keys and seeds, against what SHA-256 says of texts written by hand."""

import hashlib
import json
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.base.canonical import canonical_json, digest, stream_seed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_keys_are_sorted_and_nothing_is_spaced():
    assert canonical_json({"b": [1, 2], "a": {"d": None, "c": True}}) == '{"a":{"c":true,"d":null},"b":[1,2]}'


def test_one_equals_one_point_zero_at_any_depth():
    assert canonical_json({"x": [1.0, {"y": (2.0, 0.5)}]}) == '{"x":[1,{"y":[2,0.5]}]}'
    assert canonical_json(-0.0) == "0"
    assert canonical_json(1e22) == "1" + 22 * "0"


def test_true_is_not_one():
    assert canonical_json(True) != canonical_json(1)


def test_an_enumeration_is_its_value():
    class Colour(StrEnum):
        RED = "red"

    assert canonical_json({"colour": Colour.RED}) == '{"colour":"red"}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": [number]})


@given(PLAIN)
def test_reading_and_writing_again_changes_nothing(content):
    text = canonical_json(content)
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2), st.randoms())
def test_the_order_of_keys_does_not_matter(content, random):
    items = list(content.items())
    random.shuffle(items)
    assert digest(dict(items)) == digest(content)


def test_a_digest_is_half_of_the_sha_256_of_the_text():
    text = b'{"a":[1,2.5],"b":"x"}'
    assert digest({"b": "x", "a": (1.0, 2.5)}) == hashlib.sha256(text).hexdigest()[:32]


def test_a_seed_is_the_first_8_bytes_of_the_sha_256_of_stream_index_and_what_it_depends_on():
    text = b'["order",3,"digits",{"test_fraction":0.5},200,64]'
    expected = int(hashlib.sha256(text).hexdigest()[:16], 16)
    assert stream_seed("order", 3, "digits", {"test_fraction": 0.5}, 200, 64.0) == expected
    assert 0 <= expected < 2**64


def test_streams_indices_and_dependences_have_seeds_of_their_own():
    seeds = [
        stream_seed("order", 0, "a"),
        stream_seed("order", 1, "a"),
        stream_seed("order", 0, "b"),
        stream_seed("dropout", 0, "a"),
        stream_seed("order", 0),
    ]
    assert len(set(seeds)) == len(seeds)
