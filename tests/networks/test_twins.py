"""Networks of one function, however written or wrapped, have the values of their plain twin, or a reason."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

import genbench

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

torch.manual_seed(0)
BODY = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
DATA = torch.randn(12, 4), torch.arange(12) % 3
# One of each way to look at a network; what draws weights at random depends on their order and is left out.
NAMES = [
    "depth", "width", "num_params", "path_norm", "linear_path_norm", "log_prod_of_spec", "lipschitz_upper",
    "log_rademacher", "inverse_margin", "normalized_margin", "feature_norm", "nc1", "relative_flatness",
    "hidden_jacobian_norm", "interlayer_jacobian", "margin_jacobian_sum", "input_jacobian_norm", "fisher_rao",
    "grad_norm_train", "coherence_from_batches", "stiffness_cos", "tk_trace", "hessian_top_eig",
    "hessian_top_eig_per_layer", "sam_sharpness", "sgd_sharpness_a", "adversarial_margin", "linear_regions",
    "manifold_mixup", "pgdl_mixup_margin", "lipaug_simple", "mc_dropout_variance",
]  # fmt: skip
SCRIPTED = "torch.jit has compiled"


class Holding(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = copy.deepcopy(BODY)

    def forward(self, inputs):
        return self.body(inputs)


class TwoNames(Holding):
    """The last layer and a hidden one have a second name, the one by its first and the other by its last."""

    def __init__(self):
        super().__init__()
        self.alias = self.body[2]

    def forward(self, inputs):
        hidden = self.body[1](self.body[0](inputs))
        return self.body[4](self.body[3](self.alias(hidden)))


class FirstNameUnused(Holding):
    def __init__(self):
        nn.Module.__init__(self)
        body = copy.deepcopy(BODY)
        self.head = body[4]
        self.body = body

    def forward(self, inputs):
        return self.body(inputs)


class Empty(Holding):
    """Parameters and a layer without elements."""

    def __init__(self):
        super().__init__()
        self.nothing, self.no_rows = nn.Parameter(torch.zeros(0)), nn.Parameter(torch.zeros(0, 4))
        self.unused = nn.Linear(4, 0)


class Checkpointed(Holding):
    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant

    def forward(self, inputs):
        return self.body[3:](checkpoint(self.body[:3], inputs, use_reentrant=self.reentrant))


class Keywords(Holding):
    def forward(self, inputs):
        for module in self.body:
            inputs = module(input=inputs)
        return inputs


class Parallel(Holding):
    def __init__(self):
        super().__init__()
        self.body = nn.DataParallel(self.body)


class Scripted(Holding):
    def __init__(self):
        super().__init__()
        self.body = torch.jit.script(self.body)


class Functional(Holding):
    """Its last layer is never called."""

    def forward(self, inputs):
        return nn.functional.linear(self.body[:4](inputs), self.body[4].weight, self.body[4].bias)


def pruned():
    model = copy.deepcopy(BODY)
    for layer in model[::2]:
        prune.identity(layer, "weight")
    return model


def values(model):
    return genbench.evaluate(model, *DATA, measures=NAMES)


@pytest.fixture(scope="module")
def right():
    return values(copy.deepcopy(BODY))


def test_the_plain_twin_has_values(right):
    without = [name for name, each in right.items() if str(each.status) != "ok"]
    assert len(without) < 4, without


@pytest.mark.parametrize(
    "make",
    [
        Holding, TwoNames, FirstNameUnused, Empty, lambda: Checkpointed(True), lambda: Checkpointed(False), Keywords,
        Parallel, lambda: nn.DataParallel(copy.deepcopy(BODY)),
        lambda: torch.compile(copy.deepcopy(BODY), backend="eager"), pruned,
    ],
    ids=[
        "held", "two names", "first name unused", "empty", "reentrant", "checkpointed", "keywords", "parallel inside",
        "parallel", "compiled", "pruned",
    ],
)  # fmt: skip
def test_values_are_those_of_the_plain_twin(right, make):
    model = make()
    state, names = copy.deepcopy(model.state_dict()), [name for name, _ in model.named_modules()]
    found = values(model)
    for name in NAMES:
        assert str(found[name].status) == str(right[name].status), (name, found[name].reason)
        if right[name].value is not None:
            assert found[name].value == pytest.approx(right[name].value, rel=1e-4), name
    assert [name for name, _ in model.named_modules()] == names
    assert all(torch.equal(each, state[name]) for name, each in model.state_dict().items())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Scripted, SCRIPTED),
        (lambda: torch.jit.script(copy.deepcopy(BODY)), SCRIPTED),
        (lambda: torch.jit.trace(copy.deepcopy(BODY), DATA[0]), SCRIPTED),
        (Functional, "module 'body.4' is never called"),
    ],
    ids=["scripted inside", "scripted", "traced", "functional"],
)
def test_what_cannot_be_seen_is_not_applicable(right, make, why):
    found = values(make())
    reasons = {each.reason for each in found.values() if str(each.status) != "ok"}
    assert {str(each.status) for each in found.values()} == {"ok", "not_applicable"}
    assert any(why in reason for reason in reasons)
    for name in NAMES:
        if found[name].value is not None:
            assert found[name].value == pytest.approx(right[name].value, rel=1e-4), name


def test_dropout_that_is_never_called_is_no_dropout():
    class Bypassing(Holding):
        def forward(self, inputs):
            for layer in self.body[::2]:
                inputs = nn.functional.linear(inputs, layer.weight, layer.bias)
            return inputs

    found = genbench.evaluate(Bypassing(), *DATA, measures=["mc_dropout_variance"])["mc_dropout_variance"]
    assert "calls none of the modules" in found.reason
