"""torch's compiler is not imported before something is compiled, and is whole when it is."""

import inspect
import subprocess
import sys

import pytest
import torch

TRAINED = """
import sys, torch
from genbench.networks.compiler import leave_out_compiler
from genbench.networks.replayed import Replayed
from genbench.training.plain_steps import plain_steps
leave_out_compiler()
weight = torch.nn.Parameter(torch.ones(3))
optimizer = plain_steps(torch.optim.SGD)([weight], lr=0.1, momentum=0.9, fused=True)
weight.grad = torch.ones(3)
optimizer.step()
optimizer.zero_grad()
torch.func.grad(lambda w: (w * w).sum())(weight)
labels = torch.arange(3)
slope = torch.func.grad(lambda w, label: torch.nn.functional.cross_entropy(w[None], label[None]))
tangent = lambda v, label: torch.func.jvp(lambda w: slope(w, label), (weight.detach(),), (v,))[1]
torch.func.vmap(tangent)(torch.eye(3), labels)  # by operators that torch has in Python
replayed = Replayed(lambda w: (w.exp(),))
assert all(torch.equal(replayed(weight.detach())[0], weight.exp()) for _ in range(5)) and replayed.replays
assert "torch._dynamo" not in sys.modules, "imported"
"""

COMPILED = """
assert torch._dynamo.config.cache_size_limit > 0  # as an attribute, without an import
import torch._dynamo
assert torch._dynamo is sys.modules["torch._dynamo"]
seen = []
compiled = torch.compile(lambda w: w * 2 + 1, backend=lambda graph, _: seen.append(graph) or graph.forward)
assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 3.0)) and seen
weight.grad = torch.ones(3)
optimizer.step()
optimizer.zero_grad()
torch.func.grad(lambda w: (w * w).sum())(weight)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    "torch._dynamo import" in inspect.getsource(torch._functorch.apis),
    reason="torch.func of this torch imports the compiler itself",
)
def test_it_is_imported_when_something_is_compiled():
    ended = subprocess.run([sys.executable, "-c", TRAINED + COMPILED], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


COUNTED = """
import sys, torch
from genbench.networks.compiler import flop_counter, import_no_compiler
with flop_counter()(display=False) as counter:
    import_no_compiler(counter.mode.__torch_dispatch__)
    torch.ones(2, 3, device="meta") @ torch.ones(3, 5, device="meta")
assert counter.get_total_flops() == 2 * 2 * 3 * 5
assert "triton" not in sys.modules, "imported"
try:
    import triton
except ModuleNotFoundError:
    pass
else:
    assert triton.__version__
"""


@pytest.mark.slow  # imports torch anew
def test_counting_imports_no_triton_and_leaves_it_whole():
    ended = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
