"""The laws of data sets and suites, and what is known of the tables."""

import genbench_tabular
import pytest

import genbench
from genbench.testing import DatasetLaws, SuiteLaws


class TestIris(DatasetLaws):
    component = genbench_tabular.iris


class TestWine(DatasetLaws):
    component = genbench_tabular.wine


class TestBreastCancer(DatasetLaws):
    component = genbench_tabular.breast_cancer


class TestDiabetes(DatasetLaws):
    component = genbench_tabular.diabetes


class TestSmallTestSplit(DatasetLaws):
    component = "tabular:wine[test_fraction=0.2]"


class TestSuite(SuiteLaws):
    component = "tabular:tabular"


@pytest.mark.parametrize(
    ("data_set", "rows", "features"),
    [("iris", 149, 4), ("wine", 178, 13), ("breast_cancer", 569, 30), ("diabetes", 442, 10)],
)
def test_every_row_is_in_one_split(data_set, rows, features):
    data = getattr(genbench_tabular, data_set)(None)
    assert len(data.train) + len(data.test) == rows
    assert data.train.inputs.shape[1:] == data.test.inputs.shape[1:] == (features,)


def test_each_class_has_its_share_of_test_data():
    data = genbench_tabular.breast_cancer(None, test_fraction=0.25)
    assert data.test.targets.bincount().tolist() == [round(0.25 * 212), round(0.25 * 357)]


def test_a_split_without_a_row_is_refused():
    with pytest.raises(genbench.InvalidInput, match="leaves one of the splits without a row"):
        genbench_tabular.iris(None, test_fraction=0.001)


def test_a_small_network_learns_the_wines(tmp_path):
    run = genbench.run(
        "tabular:tabular", out=tmp_path / "run", workers=1, limit=2, measures=["param_norm"],
        overrides=["dataset=tabular:wine"],
    )  # fmt: skip
    assert run.table()["test_error"].max() < 0.2
