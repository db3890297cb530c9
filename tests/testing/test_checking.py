"""``genbench plugin check``: every law, in a process of its own that may die or hang at one."""

from __future__ import annotations

import pytest
from running import command

from genbench.testing.apart import check

PLUGIN = '''
import os, time
import genbench

@genbench.measure(family="mine", direction="+", formula="1")
def sound(task):
    """The number of outputs of the task."""
    return float(task.outputs)

@genbench.measure(family="mine", direction="+", formula="1")
def wrong(inputs):
    """Writes into the inputs."""
    inputs.data.mul_(2)
    return 1.0

@genbench.dataset
def needy(root, *, rows: int):
    """A data set with a setting that must be given."""

@genbench.statistic
def deadly(values, target, axes, groups, weights):
    """Ends its process where no rows are left, and hangs on a constant measure."""
    if not len(values):
        os._exit(7)
    if values.max() == values.min():
        time.sleep(600)
    return float((values * (target - target.mean())).sum())
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    file = tmp_path_factory.mktemp("checked") / "papers.py"
    file.write_text(PLUGIN)
    return file


@pytest.mark.slow  # three processes, one of which is waited for
def test_a_law_at_which_the_process_dies_or_hangs_is_broken_and_the_next_is_tried(plugin):
    found = check(str(plugin), only="deadly", seconds=10.0)

    verdicts = found.subjects["statistic papers:deadly"].verdicts
    assert verdicts["no_rows_give_no_number"] == ("broken", "its process exited with code 7")
    assert verdicts["a_constant_measure_has_no_opinion"] == ("broken", "it took more than 10 s")
    assert verdicts["its_arguments_are_left_alone"] == ("holds", "")
    assert not found.is_sound


@pytest.mark.slow
def test_the_command_names_what_is_broken_and_prints_cards(plugin):
    ended = command("plugin", "check", plugin, "--only", "wrong")
    assert ended.code == 1
    assert "measure papers:wrong: " in ended.out
    assert (
        "broken    data are left alone: on vectors it changed the tensors that it was given (inputs)"
        in ended.out
    )
    sound = command("plugin", "check", plugin, "--only", "sound")
    assert sound.code == 0, sound.out
    assert "what moves it" in sound.out
    assert sound.out.endswith("laws tried on 1 component of 'papers': none is broken\n")


@pytest.mark.slow
def test_what_cannot_be_tried_is_said(plugin):
    ended = command("plugin", "check", plugin, "--only", "needy", "--json")
    assert ended.code == 0
    assert ended.json["checked"] == [
        {"kind": "dataset", "name": "papers:needy", "needs": "rows", "laws": {}, "card": None}
    ]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["regularisers"], 2, "no plugin 'regularisers'; did you mean 'regularizers'?"),
        (["./absent.py"], 2, "--plugin ./absent.py: cannot be read (No such file or directory)"),
        (["models", "--only", "mpl"], 2, "plugin 'models' has no component 'mpl'; did you mean 'mlp'?"),
    ],
)
def test_what_is_not_there_is_one_line(words, code, line):
    ended = command("plugin", "check", *words)
    assert (ended.code, ended.out, ended.err) == (code, "", f"genbench: {line}\n")
