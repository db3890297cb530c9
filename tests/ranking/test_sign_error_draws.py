"""Sign-errors under weights of the fits, against tables in which fits are written down so many times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking.tables import grid, random_columns

from genbench.ranking import rank, resampling, sign_error_draws
from genbench.ranking.design import design_from_codes
from genbench.ranking.sign_error import environment_losses, upper_quantile
from genbench.ranking.sign_error_draws import reweighted_losses


def repeated(values, target, axes, sizes, weights):
    """The environments of a table that holds every fit as often as its weight says."""
    rows = np.repeat(np.arange(len(target)), weights)
    design = design_from_codes(axes)
    return environment_losses(
        values[rows], target[rows], design.take(rows), None if sizes is None else sizes[rows], 0.0
    )


@given(random_columns(missing=True), st.sampled_from([None, 100, 3000]), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_weight_is_a_number_of_copies(columns, size, seed):
    """Pairs are of two configurations, so that no copy meets itself."""
    values, target, axes, _ = columns
    random = np.random.default_rng(seed)
    matrix = np.column_stack(
        [values, random.normal(size=len(values)), np.round(random.normal(size=len(values)))]
    )
    weights = random.integers(0, 3, (len(values), 4)).astype(np.int16)
    weights[0] = 1
    design = design_from_codes(axes)
    sizes = None if size is None else size + np.arange(len(values))
    plain = environment_losses(matrix, target, design, sizes, 0.0)
    found = reweighted_losses(plain, matrix, target, design, sizes, weights)
    for lane in range(weights.shape[1]):
        copies = repeated(matrix, target, axes, sizes, weights[:, lane])
        np.testing.assert_allclose(found.mean[:, lane], copies.mean, atol=1e-12)
        quantile, maximum = upper_quantile(copies)
        np.testing.assert_allclose(found.quantile[:, lane], quantile, atol=1e-12)
        np.testing.assert_allclose(found.maximum[:, lane], maximum, atol=1e-12)


@pytest.mark.parametrize("held", [1, 200])
def test_the_parts_in_which_it_is_computed_change_nothing(monkeypatch, held):
    random = np.random.default_rng(0)
    axes = {name: random.integers(0, 3, 60) for name in ("a", "b")}
    design = design_from_codes(axes)
    values, target = random.normal(size=(60, 5)), random.normal(size=60)
    values[random.random(values.shape) < 0.1] = np.nan
    weights = random.integers(0, 3, (60, 7)).astype(np.int16)
    plain = environment_losses(values, target, design, None, 0.0)
    given_ = plain, values, target, design, None, weights
    whole = reweighted_losses(*given_)
    monkeypatch.setattr(sign_error_draws, "HELD", held)
    for name in ("mean", "quantile", "maximum"):
        np.testing.assert_allclose(
            getattr(reweighted_losses(*given_), name), getattr(whole, name), atol=1e-12
        )
    only = reweighted_losses(*given_, quantiles=False)
    np.testing.assert_allclose(only.mean, whole.mean, atol=1e-12)
    assert np.isnan(only.quantile).all()


def test_environments_without_a_loss_have_none_under_any_weights():
    design = design_from_codes({"a": np.array([0, 0, 1, 1, 2, 2])})
    values, target = np.arange(6.0)[:, None], np.arange(6.0)
    plain = environment_losses(values, target, design)  # no effective sample of twelve
    assert plain.loss.shape == (3, 1)
    found = reweighted_losses(plain, values, target, design, None, np.ones((6, 2), dtype=np.int16))
    assert np.isnan(found.mean).all()
    assert np.isnan(found.maximum).all()


def test_large_tables_have_fewer_draws_the_same_scores_and_a_note(monkeypatch):
    table = grid([3, 3], 6)
    random = np.random.default_rng(0)
    table["gap"] = 0.1 * table["a0"] + 0.05 * table["a1"] + 0.02 * random.normal(size=len(table))
    for place in range(4):
        table[f"m{place}"] = table["gap"] + 0.02 * (1 + place) * random.normal(size=len(table))
    asked = {
        "axes": ["a0", "a1"],
        "bootstrap": 200,
        "statistics": ["sign_error"],
        "rank_by": "sign_error_mean",
    }
    whole = rank(table, [f"m{place}" for place in range(4)], **asked)
    assert not any("draws" in note for note in whole.notes)
    monkeypatch.setattr(resampling, "FULLY_DRAWN", 10)
    large = rank(table, [f"m{place}" for place in range(4)], **asked)
    note = "Intervals of the information and of sign-errors are from 37 draws, with 54 fits."
    assert note in large.notes
    for name in ("m0", "m3"):
        one, other = whole[name], large[name]
        assert one["sign_error_mean"] == other["sign_error_mean"]
        assert 0.6 < other["sign_error_mean_se"] / one["sign_error_mean_se"] < 1.6

    drawn = []

    def slope(values, target, axes, groups, weights):
        drawn.append(weights)
        return float(np.corrcoef(values, target)[0, 1])

    own = rank(table, ["m0"], **{**asked, "statistics": [slope], "rank_by": "slope"})
    assert "Intervals of slope are from 37 draws, with 54 fits." in own.notes
    columns = 1 + len(own.controls)
    assert len(drawn) == columns * (1 + 37 + 6)  # as it is, drawn, and each seed left out
