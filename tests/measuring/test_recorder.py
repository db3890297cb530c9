"""What is recorded of a training of one's own is what genbench's own loop records."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import genbench
from genbench.base.errors import UsageError

INPUTS = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
TARGETS = torch.arange(30) % 3
MEASURES = "fro_dist,traj_length,steps_to_0.1,sum_over_training_losses,grad_noise_epoch1,dist_over_traj"


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))


def train(model, recorder=None, epochs=4):
    """A loop of one's own; the points that it went through."""
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(model.parameters(), 0.3, momentum=0.5)
    points, losses = [nn.utils.parameters_to_vector(model.parameters()).detach().clone()], []
    for _ in range(epochs):
        model.train()
        for part in torch.randperm(30).split(10):
            loss = F.cross_entropy(model(INPUTS[part]), TARGETS[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            points.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
            losses.append(loss.item())
            if recorder:
                recorder.step(loss, optimizer)
        if recorder:
            recorder.epoch()
    return points, losses


def test_history_milestones_and_trajectory_are_those_of_the_loop():
    model = network()
    before = copy.deepcopy(model)
    recorder = genbench.Recorder(model, INPUTS, TARGETS, snapshots=40)
    points, losses = train(model, recorder)
    assert recorder.history["step"] == [0, 3, 6, 9, 12]
    assert recorder.history["epoch"] == [0, 1, 2, 3, 4]
    assert recorder.history["learning_rate"] == [None, 0.3, 0.3, 0.3, 0.3]
    assert recorder.history["batch_loss"][1:] == pytest.approx(
        [sum(losses[place : place + 3]) / 3 for place in range(0, 12, 3)]
    )
    model.eval()
    assert recorder.history["train_loss"][-1] == pytest.approx(float(F.cross_entropy(model(INPUTS), TARGETS)))
    roots = recorder.roots()
    first = zip(roots["initial_model"].parameters(), before.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in first)
    assert [step for step, _ in roots["snapshots"]] == list(range(13))
    walk = roots["snapshots"].walk
    lengths = [(later - earlier).norm() for earlier, later in itertools.pairwise(points)]
    torch.testing.assert_close(walk.lengths, torch.stack(lengths).double(), rtol=1e-5, atol=1e-6)
    assert walk.distance == pytest.approx(float((points[-1] - points[0]).norm()), rel=1e-5)
    values = genbench.evaluate(model, INPUTS, TARGETS, **roots, measures=MEASURES)
    assert {value.status for value in values.values()} <= {"ok", "not_applicable"}
    assert (
        values["fro_dist"].status == values["traj_length"].status == values["dist_over_traj"].status == "ok"
    )
    if recorder.milestones:
        assert recorder.milestones[0].train_loss <= recorder.milestones[0].threshold


def test_the_training_goes_on_as_without_it():
    alone, recorded = network(), network()
    train(alone)
    train(recorded, genbench.Recorder(recorded, INPUTS, TARGETS))
    for one, other in zip(alone.state_dict().values(), recorded.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_what_is_not_wanted_is_not_kept():
    recorder = genbench.Recorder(network(), INPUTS, TARGETS, snapshots=0, trajectory=0)
    assert "snapshots" not in recorder.roots()
    with pytest.raises(UsageError, match=r"expected a torch\.nn\.Module"):
        genbench.Recorder(train, INPUTS, TARGETS)


def lightning():
    try:
        import lightning.pytorch as library
    except ImportError:
        library = pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")
    return library


def test_lightning_records_what_a_loop_records(tmp_path):
    library = lightning()

    class Module(library.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = network()

        def training_step(self, batch, place):
            return {"loss": F.cross_entropy(self.network(batch[0]), batch[1])}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.3)

    data = torch.utils.data.TensorDataset(INPUTS, TARGETS)
    module, callback = Module(), genbench.lightning_recorder(INPUTS, TARGETS, network="network")
    trainer = library.Trainer(
        max_epochs=3, callbacks=[callback], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accumulate_grad_batches=2,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(data, 5))
    recorder = callback.recorder
    assert recorder.history["step"] == [0, 3, 6, 9]
    assert recorder.history["learning_rate"][1:] == [0.3] * 3
    values = genbench.evaluate(
        module.network, INPUTS, TARGETS, **recorder.roots(), measures=["fro_dist", "traj_length"]
    )
    assert {value.status for value in values.values()} == {"ok"}
    wrong = genbench.lightning_recorder(INPUTS, TARGETS, network="netwrk")
    with pytest.raises(UsageError, match="netwrk"):
        wrong.on_train_start(trainer, module)
