"""`early-stopping`."""

import pytest
import torch

from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.training.evaluation import evaluate


def losses_by_epoch(problem, split, epochs, **settings):
    """Validation loss and weights after each number of epochs, trained anew."""
    found = []
    for number in range(1, epochs + 1):
        outcome = problem.train(max_epochs=number, **settings)
        model = problem.network()
        model.load_state_dict(outcome.final_state)
        found.append((evaluate(model, split.inputs, split.targets, problem.task, device="cpu")[0], outcome))
    return found


def test_stops_and_goes_back_to_the_lowest_validation_loss(problem, held_out, same):
    outcome = problem.train("early-stopping[patience=2]", max_epochs=30, validation=held_out)
    assert outcome.stop_reason is StopReason.REQUESTED
    assert outcome.stop_note.startswith("early-stopping: the validation loss was lowest 2 epochs ago")
    found = losses_by_epoch(problem, held_out, outcome.epochs)
    best = min(range(len(found)), key=lambda number: found[number][0])
    assert best == outcome.epochs - 3
    assert same(outcome.final_state, found[best][1].final_state)
    assert outcome.train_loss == pytest.approx(found[best][1].train_loss)
    assert len(outcome.history["train_loss"]) == outcome.epochs + 1


def test_without_restoring_the_last_weights_stay(problem, held_out, same):
    outcome = problem.train("early-stopping[patience=2,restore=false]", max_epochs=30, validation=held_out)
    assert same(outcome.final_state, problem.train(max_epochs=outcome.epochs).final_state)


def test_the_best_weights_come_back_when_the_epochs_run_out(problem, held_out):
    outcome = problem.train('early-stopping[patience="none"]', max_epochs=12, validation=held_out)
    assert outcome.stop_reason is StopReason.MAX_EPOCHS
    found = losses_by_epoch(problem, held_out, 12)
    assert outcome.train_loss == pytest.approx(min(found, key=lambda each: each[0])[1].train_loss)


def test_on_the_training_loss(problem):
    stopped = problem.train("early-stopping[on=training,patience=1,smallest_fall=0.05]", max_epochs=50)
    assert stopped.stop_reason is StopReason.REQUESTED
    falls = [
        -b + a
        for a, b in zip(stopped.history["train_loss"][1:-1], stopped.history["train_loss"][2:], strict=True)
    ]
    assert all(fall > 0.05 for fall in falls[:-1])
    assert falls[-1] <= 0.05


def test_test_data_are_not_needed_but_a_validation_split_is(problem):
    with pytest.raises(InvalidInput, match="'early-stopping': needs a validation split"):
        problem.train("early-stopping")


def test_the_split_itself_changes_no_bits(problem, held_out, same):
    assert same(problem.train(validation=held_out).final_state, problem.train().final_state)
    assert torch.is_tensor(held_out.inputs)
