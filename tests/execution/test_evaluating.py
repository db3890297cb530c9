"""What code of plugins says of networks and data that it made is taken with care."""

from __future__ import annotations

import pytest

from genbench.base.errors import MissingResult
from genbench.execution.evaluating import evaluate_files
from genbench.fitting.own_networks import Asked
from genbench.host import Host
from genbench.host.elsewhere import NoAnswer
from genbench.host.selection import select_measures

SOUND = {"data": "d", "examples": 3, "tested": None, "outcomes": [{"train_error": 0.5}]}


@pytest.fixture
def host(tmp_path):
    code = "import genbench\n@genbench.model\ndef net(task):\n    return None\n"
    data = "@genbench.dataset\ndef data(root):\n    return None\n"
    (tmp_path / "odd.py").write_text(code + data)
    return Host.described([str(tmp_path / "odd.py")])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "gives an answer that makes no sense"),
        ({**SOUND, "outcomes": []}, "gives an answer that makes no sense"),
        ({**SOUND, "outcomes": [{"train_error": "low"}]}, "gives an answer that makes no sense"),
        ({**SOUND, "examples": "many"}, "gives an answer that makes no sense"),
        (NoAnswer("takes more than 1800 s"), "takes more than 1800 s"),
    ],
)
def test_nonsense_is_named(answer, why, host, monkeypatch):
    def ask(*question):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(host.deputies, "ask", ask)
    with pytest.raises(MissingResult, match=f"plugin 'odd', whose code makes networks or data: {why}"):
        evaluate_files(Asked("odd:net", "digits", None), select_measures("param_norm", host), host)


def test_what_is_handed_over_and_cannot_be_read_is_named(host, monkeypatch, tmp_path):
    monkeypatch.setattr(host.deputies, "ask", lambda *question: SOUND)
    monkeypatch.setattr(host.deputies, "cache", lambda plugins: tmp_path)
    with pytest.raises(MissingResult, match="what it hands over cannot be read"):
        evaluate_files(Asked("mlp", "odd:data", None), select_measures("param_norm", host), host)
