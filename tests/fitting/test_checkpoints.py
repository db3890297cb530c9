"""Files of weights that others wrote: what they may hold, and how what does not fit is told."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genbench.base.errors import InvalidInput, UsageError
from genbench.fitting.checkpoints import put_into, read_weights


def network(width=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3))


STATE = network().state_dict()


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def under(prefix):
    return {prefix + name: each for name, each in STATE.items()}


@pytest.mark.parametrize(
    "held",
    [
        STATE,
        under("module."),
        under("_orig_mod.module."),
        {"epoch": 3, "state_dict": under("model."), "optimizer": {"lr": 0.1}},
        {"model_state_dict": STATE},
        {"epoch": 3, "loss": torch.tensor(0.5), "model_state_dict": STATE},
        {"model": {"width": 5}, "step": torch.tensor(7), "weights": under("net.")},
        {"n_averaged": torch.tensor(3), **under("module.")},
        {name: each for name, each in STATE.items() if "num_batches" not in name},
    ],
)
def test_state_dictionaries_are_found_whatever_is_around_them(held, tmp_path):
    file = tmp_path / "weights.pt"
    torch.save(held, file)
    other = network()
    with torch.no_grad():
        other[0].weight.zero_()
    put_into(other, read_weights(file), file)
    assert all(torch.equal(each, STATE[name]) for name, each in other.state_dict().items())


def test_both_formats_are_told_by_their_content(tmp_path):
    for name in ("weights.safetensors", "weights.pt"):
        save_file(STATE, tmp_path / name)
        assert read_weights(tmp_path / name).keys() == STATE.keys()


def test_half_precision_goes_into_a_network_that_keeps_its_own(tmp_path):
    other = network()
    put_into(other, {name: each.half() for name, each in STATE.items()}, tmp_path / "half.pt")
    assert other[0].weight.dtype == torch.float32
    assert torch.equal(other[0].weight, STATE["0.weight"].half().float())


def write(path, what):
    if isinstance(what, bytes):
        path.write_bytes(what)
    elif path.suffix == ".safetensors":
        path.write_bytes(pickle.dumps(what))
    else:
        torch.save(what, path)


@pytest.mark.parametrize(
    ("name", "held", "line"),
    [
        ("w.pt", Harmful(), "holds code, "),
        ("w.pt", nn.Linear(2, 2), "holds code, torch.nn.modules.linear.Linear, beside tensors, which is not run; save network.state_dict() instead of the network"),
        ("w.safetensors", Harmful(), "is a pickle under the name of a safetensors file; "),
        ("w.safetensors", b"rubbish" * 9, "is no safetensors file, or damaged: "),
        ("w.pt", b"rubbish" * 9, "is damaged, or not written by torch.save: "),
        ("w.pt", b"", "is damaged, or not written by torch.save: "),
        ("w.pt", [1], "holds a list, no state dictionary"),
        ("w.pt", {"epoch": 3}, "holds a dictionary with epoch, no state dictionary"),
    ],
)  # fmt: skip
def test_what_holds_no_weights_or_more_than_that_is_refused_and_not_run(name, held, line, tmp_path, capsys):
    write(tmp_path / name, held)
    with pytest.raises(InvalidInput) as refused:
        read_weights(tmp_path / name)
    text = str(refused.value)
    assert text.startswith(f"weights '{tmp_path / name}': {line}")
    assert "\n" not in text
    assert capsys.readouterr().out == ""


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path):
    (tmp_path / "last.pt").touch()
    (tmp_path / "weights.h5").touch()
    with pytest.raises(UsageError, match=r"there is no such file; did you mean 'last\.pt'\?"):
        read_weights(tmp_path / "lst.pt")
    with pytest.raises(UsageError, match=r"the ending must be \.safetensors, \.pt"):
        read_weights(tmp_path / "weights.h5")


def test_names_and_shapes_that_do_not_fit_are_named_with_the_nearest(tmp_path):
    state = {name.replace("3.", "head."): each for name, each in network(6).state_dict().items()}
    with pytest.raises(InvalidInput) as refused:
        put_into(network(), state, tmp_path / "w.pt")
    lines = [
        each.removeprefix(f"weights '{tmp_path / 'w.pt'}' do not fit the network: ")
        for each in refused.value.problems
    ]
    assert lines[0] == "missing '3.weight' (the file has 'head.weight'), '3.bias' (the file has 'head.bias')"
    assert lines[1].startswith("unexpected 'head.weight' (the network has '3.weight')")
    assert lines[2] == "'0.weight' is 6x4 in the file, 5x4 in the network"
    assert lines[-1] == "and 1 shapes more" or len(lines) <= 8


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (torch.Tensor.to_sparse, "sparse_coo, real"),
        (lambda each: each.to(torch.complex64), "dense, complex"),
        (lambda each: each.to("meta"), "empty, real"),
    ],
)
def test_numbers_of_another_kind_are_a_line(made, kind, tmp_path):
    state = {**STATE, "0.weight": made(STATE["0.weight"]), "3.weight": made(STATE["3.weight"])}
    with pytest.raises(InvalidInput) as refused:
        put_into(network(), state, tmp_path / "w.pt")
    assert str(refused.value).endswith(f"'0.weight' is {kind} in the file, dense, real in the network")
