"""Wrong components, one for each law: the text of each as a plugin file, under the law that it breaks.

The names of the laws are those that ``genbench plugin check`` prints.
"""

MEASURE = '''
import random
import numpy as np
import torch
import genbench
from pathlib import Path
from torch.nn import functional as F

calls = []

@genbench.measure(family="{family}", direction="+", source="{source}"{cost})
def wrong({needs}):
    """A measure that breaks a law."""
    {body}
'''


def measure(body, needs="model, inputs", family="wrong", source="nobody", cost="E"):
    return MEASURE.format(
        body=body.replace("\n", "\n    "), needs=needs, family=family, source=source,
        cost=f', cost="{cost}"' if cost else "",
    )  # fmt: skip


MEASURES = {
    "it_is_documented": measure("return 1.0").replace('"""A measure that breaks a law."""', ""),
    "it_is_described": measure("return 1.0", source=""),
    "it_raises_nothing_but_not_applicable": measure("return 1.0 / len(inputs[:0])"),
    "not_applicable_has_a_reason": measure("raise genbench.NotApplicable()"),
    "it_returns_one_number": measure("return model(inputs)"),
    "its_value_is_finite": measure("return float('inf')"),
    "the_same_seed_gives_the_same_value": measure("return np.random.default_rng().random()"),
    "it_remembers_nothing": measure("calls.append(inputs.ndim)\nreturn len([each for each in calls if each > 2]) + 0.5"),
    "weights_are_left_alone": measure("next(model.parameters()).data.mul_(2)\nreturn 1.0"),
    "buffers_are_left_alone": measure("for each in model.buffers():\n    each.data.add_(1)\nreturn 1.0"),
    "gradients_are_left_alone": measure(
        "with torch.enable_grad():\n    model(inputs).square().mean().backward()\nreturn 1.0"
    ),
    "the_mode_is_left_alone": measure("model.train()\nreturn 1.0"),
    "requires_grad_is_left_alone": measure("model.requires_grad_(False)\nreturn 1.0"),
    "hooks_are_removed": measure("model.register_forward_hook(lambda *given: None)\nreturn 1.0"),
    "modules_are_left_alone": measure("model.forward = lambda inputs: inputs\nreturn 1.0"),
    "data_are_left_alone": measure("inputs.data.mul_(2)\nreturn 1.0"),
    "global_random_streams_are_left_alone": measure("return torch.rand(1)"),
    "it_opens_no_files": measure("from sklearn.datasets import load_digits\nreturn load_digits().data.mean()"),
    "its_cost_class_is_true": measure("return model(inputs).norm()", cost=""),
    "it_has_a_value_in_double_precision_as_in_single": measure(
        "return (1e9 + model(inputs).double().var()) - 1e9 if inputs.dtype == torch.float64 else model(inputs).norm()"
    ),
    "the_batch_size_does_not_matter": measure(
        "from genbench.networks.passes import chunks\n"
        "return sum(model(inputs[each]).amax().item() for each in chunks(inputs, inputs.device))"
    ),
}  # fmt: skip

PROBES = {
    "the_same_seed_gives_the_same_value": '''
import numpy as np
import genbench

@genbench.probe
def wrong(model):
    """A probe that breaks a law."""
    return {"scale": float(np.random.default_rng().random())}
''',
    "its_cost_class_is_true": '''
import torch
import genbench

@genbench.probe(cost="B")
def wrong(model, inputs):
    """A probe that breaks a law."""
    with torch.enable_grad():
        return torch.autograd.grad(model(inputs).square().mean(), list(model.parameters()))
''',
}

MODEL = '''
import copy
import numpy as np
import torch
from torch import nn
import genbench

class Net(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.outputs, self.calls = task.outputs, 0
        self.first = nn.Linear(int(np.prod(task.input_shape)), 8)
        self.last = nn.Linear(8, task.outputs)
        {init}

    def forward(self, inputs):
        {forward}

@genbench.model
def wrong(task):
    """A model that breaks a law."""
    {build}
'''

PASS = "return self.last(self.first(inputs.flatten(1)).relu())"


def model(init="pass", forward=PASS, build="return Net(task)"):
    indented = {"init": init, "forward": forward, "build": build}
    depths = {"init": 8, "forward": 8, "build": 4}
    filled = {name: text.replace("\n", "\n" + " " * depths[name]) for name, text in indented.items()}
    text = MODEL
    for name, each in filled.items():
        text = text.replace("{" + name + "}", each)
    return text


MODELS = {
    "it_refuses_with_a_line": model(
        build="if len(task.input_shape) == 1:\n    raise KeyError('channels')\nreturn Net(task)"
    ),
    "it_returns_a_module": model(build="return lambda inputs: inputs"),
    "outputs_have_the_shape_of_the_task": model(init="self.last = nn.Linear(8, task.outputs + 1)"),
    "every_parameter_is_trained": model(init="self.unused = nn.Parameter(torch.zeros(3))"),
    "two_steps_keep_it_finite": model(forward="return self.last(self.first(inputs.flatten(1))) * 1e25"),
    "the_same_seed_gives_the_same_weights": model(
        init="self.last.weight.data += torch.from_numpy(np.random.default_rng().random(1)).float()"
    ),
    "the_state_makes_a_round_trip": model(init="self.scale = torch.rand(1)", forward=PASS + " * self.scale"),
    "evaluation_is_deterministic": model(forward=PASS.replace("inputs.flatten(1)", "nn.functional.dropout(inputs.flatten(1))")),
    "examples_do_not_see_one_another_in_evaluation": model(
        forward="outputs = self.last(self.first(inputs.flatten(1)).relu())\nreturn outputs - outputs.mean(0)"
    ),
    "a_batch_of_one_is_taken": model(forward="return self.last(self.first(inputs.squeeze(0).flatten(1)).relu())"),
    "evaluation_changes_nothing": model(
        init="self.register_buffer('passes', torch.zeros(()))", forward="self.passes += 1\n" + PASS
    ),
    "double_precision_is_taken": model(forward="return (" + PASS.removeprefix("return ") + ").float()"),
    "it_can_be_copied": model(init="self.stream = open('/dev/null')"),
    "it_has_its_shapes_without_values": model(
        init="self.more = nn.Linear(8, 3 if self.first.weight.is_meta else 8)",
        forward="return self.last(self.more(self.first(inputs.flatten(1)).relu()))",
    ),
    "its_roles_are_modules": model(init="self.roles = {'classifier': ['absent']}"),
}  # fmt: skip

REGULARIZER = '''
import random
import numpy as np
import torch
import genbench

@genbench.regularizer
class Wrong(genbench.Regularizer):
    """A regularizer that breaks a law."""
    strength: float = 0.1
    {body}
'''


def regularizer(body):
    return REGULARIZER.replace("{body}", body.replace("\n", "\n    "))


REGULARIZERS = {
    "it_trains": regularizer("def penalty(self, step):\n    return self.strength * step.inputs.sum() * float('nan')"),
    "it_does_something": regularizer("def penalty(self, step):\n    return None"),
    "off_is_none": regularizer("def batch(self, step):\n    return step.inputs + 0.1, step.targets"),
    "the_same_seed_gives_the_same_weights": regularizer(
        "def batch(self, step):\n    noise = np.random.default_rng().normal(size=step.inputs.shape)\n"
        "    return step.inputs + self.strength * torch.as_tensor(noise, dtype=torch.float32), step.targets"
    ),
    "its_state_belongs_to_the_fit": regularizer(
        "def after_update(self, step):\n    count = self.__dict__.get('count', 0) + 1\n"
        "    object.__setattr__(self, 'count', count)\n    with torch.no_grad():\n"
        "        for each in step.model.parameters():\n            each.mul_(1 - self.strength / (10 + count))"
    ),
    "global_random_streams_are_left_alone": regularizer(
        "def batch(self, step):\n    random.seed(0)\n    return step.inputs * (1 + self.strength * random.random()), step.targets"
    ),
    "data_are_left_alone": regularizer(
        "def start(self, training):\n    training.inputs.mul_(1 + self.strength)"
    ),
    "nothing_is_left_on_the_network": regularizer(
        "def start(self, training):\n    training.model.register_forward_hook(lambda *given: given[2] * (1 + self.strength))"
    ),
    "nothing_is_left_in_evaluation": regularizer(
        "def start(self, training):\n    training.model.offset = 0.0\n    forward = training.model.forward\n"
        "    training.model.forward = lambda inputs: forward(inputs) * (1 + self.strength)"
    ),
    "building_changes_no_other_network": regularizer(
        "def build(self, model, task):\n    return torch.nn.Sequential(model, torch.nn.Linear(task.outputs, task.outputs + 1))"
    ),
    "it_goes_with_each_built_in_regularizer_or_is_refused": regularizer(
        "def loss(self, step, outputs, targets, inner):\n    if targets.is_floating_point() and len(targets) == 12 and step.model.training "
        "and targets.shape[-1] == 3:\n        raise RuntimeError('soft targets')\n    return inner(outputs, targets) * (1 + self.strength)"
    ),
}  # fmt: skip

DATASET = '''
import numpy as np
import torch
import genbench

def numbers(count, seed):
    made = np.random.default_rng(seed)
    return torch.tensor(made.normal(size=(count, 4)), dtype=torch.float32), torch.arange(count) % 3

@genbench.dataset{declared}
def wrong(root):
    """A data set that breaks a law."""
    train, test = genbench.Split(*numbers(30, 0)), genbench.Split(*numbers(12, 1))
    task = genbench.Task("classification", (4,), 3)
    checksum = "sha256:0"
    {body}
    return genbench.Data(train, test, task, checksum)
'''


def dataset(body, declared=""):
    return DATASET.replace("{body}", body.replace("\n", "\n    ")).replace("{declared}", declared)


DATASETS = {
    "it_returns_data": dataset("return train, test"),
    "shapes_are_those_of_the_task": dataset("task = genbench.Task('classification', (2, 2), 3)"),
    "types_are_those_that_training_reads": dataset(
        "train = genbench.Split(train.inputs.double(), train.targets)"
    ),
    "numbers_are_finite": dataset("train.inputs[3, 1] = float('nan')"),
    "classes_are_counted_from_zero": dataset("train = genbench.Split(train.inputs, train.targets + 1)"),
    "splits_are_disjoint": dataset("test = genbench.Split(train.inputs[:12], train.targets[:12])"),
    "it_is_the_same_every_time": dataset("train = genbench.Split(torch.randn(30, 4), train.targets)"),
    "global_random_streams_are_left_alone": dataset("torch.manual_seed(0)"),
    "what_is_declared_is_true": dataset("pass", declared='(checksum="sha256:1")'),
}

STATISTIC = '''
import numpy as np
import genbench

@genbench.statistic
def wrong(values, target, axes, groups, weights):
    """A statistic that breaks a law."""
    values, target, weights = (np.asarray(each, dtype=float) for each in (values, target, weights))
    {body}

def correlation(values, target, weights):
    if not len(values):
        return float("nan")
    centre = lambda each: each - np.average(each, weights=weights)
    one, other = centre(values), centre(target)
    scale = np.sqrt(np.sum(weights * one**2) * np.sum(weights * other**2))
    return float(np.sum(weights * one * other) / scale) if scale else float("nan")
'''


def statistic(body):
    return STATISTIC.replace("{body}", body.replace("\n", "\n    "))


CORRELATION = "correlation(values, target, weights)"

STATISTICS = {
    "it_returns_one_number": statistic("return values - target"),
    "it_tells_agreement_from_chance": statistic("return 0.0 if len(values) else float('nan')"),
    "it_sees_the_direction": statistic(f"return {CORRELATION}**2"),
    "scale_and_origin_do_not_matter": statistic(f"return {CORRELATION} * values.std() if len(values) else {CORRELATION}"),
    "the_order_of_the_rows_does_not_matter": statistic(f"return {CORRELATION} + values @ np.arange(len(values))"),
    "a_constant_measure_has_no_opinion": statistic(
        f"return 1.0 if len(values) and np.ptp(values) == 0 else float(np.round({CORRELATION}, 6))"
    ),
    "no_rows_give_no_number": statistic(f"return {CORRELATION} if len(values) else 0.0"),
    "missing_rows_are_survived": statistic(f"assert len(values) in (0, 54)\nreturn {CORRELATION}"),
    "weights_are_relative": statistic(f"return {CORRELATION} * float(np.sum(weights)) / 54 if len(values) else float('nan')"),
    "rows_without_weight_do_not_count": statistic("return correlation(values, target, np.ones(len(values)))"),
    "its_arguments_are_left_alone": statistic(f"found = {CORRELATION}\nvalues *= 2\nreturn found"),
}  # fmt: skip

PROTOCOL = '''
import time
import genbench

@genbench.protocol
class Wrong(genbench.Protocol):
    """A protocol that breaks a law."""
    {body}
'''

PROTOCOLS = {
    "its_settings_are_sound": PROTOCOL.replace("{body}", "target_rule: str = 'closest'"),
    "it_is_plain_data": PROTOCOL.replace(
        "{body}", "def __post_init__(self):\n        object.__setattr__(self, 'max_epochs', time.perf_counter_ns())"
    ),
    "its_learning_rate_is_positive_until_the_end": PROTOCOL.replace("{body}", "schedule: str = 'linear'\n    max_epochs: int = 4\n    warmup_epochs: float = 6.0\n    learning_rate: float = 0.0"),
    "a_network_learns": PROTOCOL.replace("{body}", "learning_rate: float = 1e4"),
}  # fmt: skip

OBSERVERS = {
    "it_raises_nothing": '"""An observer."""\ndef genbench_trial_finished(record):\n    record["test_loss"] += 1\n',
    "it_is_quick": '"""An observer."""\nimport time\ndef genbench_run_started(run):\n    time.sleep(0.7)\n',
}

EXECUTOR = '''
import genbench
from genbench.contract.jobs import Job, JobOutcome
from genbench.executors.local import LocalExecutor

@genbench.executor(name="wrong")
class Wrong(LocalExecutor):
    """An executor that breaks a law."""
    {body}
'''


def executor(body):
    return EXECUTOR.replace("{body}", body.replace("\n", "\n    "))


EXECUTORS = {
    "it_has_slots": executor("slots = property(lambda self: 1, lambda self, count: None)"),
    "without_jobs_results_end": executor(
        "def results(self):\n    yield JobOutcome(Job(kind='train', key='', trial={}, folder='', plugins=[]))"
    ),
    "every_job_has_one_outcome_though_workers_are_killed": executor(
        "def results(self):\n    for each in super().results():\n        yield each\n"
        "        if each.status == 'crashed':\n            yield each"
    ),
    "jobs_may_be_submitted_while_outcomes_come": executor(
        "def results(self):\n    for _, each in zip(range(self._open), super().results()):\n        yield each"
    ),
    "a_cancelled_job_ends_as_cancelled": executor("def cancel(self, id):\n    pass"),
    "closing_ends_what_runs": executor("def close(self):\n    if self._open < 0:\n        raise ValueError('closed')\n    super().close()\n    self._open = -1"),
}  # fmt: skip

WRONG = {
    "measure": MEASURES, "probe": PROBES, "model": MODELS, "regularizer": REGULARIZERS, "dataset": DATASETS,
    "statistic": STATISTICS, "protocol": PROTOCOLS, "observer": OBSERVERS, "executor": EXECUTORS,
}  # fmt: skip
"""By kind, then by the law that is broken."""
