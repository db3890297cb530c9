"""Networks of the user's own that are handed over are what they were, to the bit, and nothing is told of tests."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.fitting.handed_networks import hand_over_networks, handed_network
from genbench.fitting.own_networks import Measurable
from genbench.host import Host
from genbench.measuring.examples import read_examples

NETS = """
import torch
from torch import nn

class Pair(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first, self.norm = nn.Linear(4, width), nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 4)
        self.last.weight = nn.Parameter(torch.zeros(4, width))
        self.tied = self.last

    def forward(self, left, right):
        return {"logits": self.tied(self.norm(self.first(torch.cat([left, right], 1))))}
"""


def parts(integers: bool = False) -> dict[str, torch.Tensor]:
    left = torch.arange(10).reshape(10, 1)
    return {"left": left if integers else left.double() / 7, "right": torch.randn(10, 3)}


@pytest.mark.parametrize("integers", [False, True])
def test_network_and_examples_are_what_they_were(integers, tmp_path, monkeypatch):
    code, folder = tmp_path / "code", tmp_path / "handed"
    code.mkdir()
    folder.mkdir()
    (code / "handed_nets.py").write_text(NETS)
    monkeypatch.chdir(code)
    namespace: dict[str, type[nn.Module]] = {}
    exec(NETS, namespace)
    models = [namespace["Pair"](5).eval() for _ in range(3)]
    with torch.no_grad():
        for model in models:
            for each in (*model.parameters(), *model.buffers()):
                each.copy_(torch.rand_like(each.float()))
    examples = read_examples(parts(integers), torch.arange(10) % 4)
    given = [
        Measurable(models[0], None, examples, "logits", 3),
        Measurable(models[1], models[2], examples, "logits", 3),
    ]
    task = Task("classification", (4,), 4)
    hand_over_networks(given, "handed_nets.py:Pair[width=5]", task, folder)
    monkeypatch.chdir(tmp_path)
    for place, before in enumerate(given):
        found = handed_network(folder, place, Host.load(), "cpu")
        assert (found.output, found.seed) == ("logits", 3)
        assert found.examples.packing == examples.packing
        assert found.examples.inputs.dtype == examples.inputs.dtype
        assert torch.equal(found.examples.inputs, examples.inputs)
        assert torch.equal(found.examples.targets, examples.targets)
        assert (found.initial is None) == (before.initial is None)
        for mine, theirs in ((before.model, found.model), (before.initial, found.initial)):
            if mine is not None:
                assert {name: each.tolist() for name, each in mine.state_dict().items()} == {
                    name: each.tolist() for name, each in theirs.state_dict().items()
                }
                assert not theirs.training


def test_what_cannot_be_made_again_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone_nets.py").write_text("from torch import nn\ndef make():\n    return nn.Linear(2, 2)\n")
    examples = read_examples(torch.randn(4, 2), torch.arange(4) % 2)
    given = [Measurable(nn.Linear(2, 2), None, examples, None, 0)]
    hand_over_networks(given, "gone_nets.py:make", Task("classification", (2,), 2), tmp_path)
    (tmp_path / "gone_nets.py").write_text("raise RuntimeError('the files are elsewhere')\n")
    with pytest.raises(InvalidInput, match="cannot be imported: RuntimeError: the files are elsewhere"):
        handed_network(tmp_path, 0, Host.load(), "cpu")
