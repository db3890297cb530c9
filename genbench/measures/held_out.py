"""Measures that look at a validation split: examples taken out of the training data and never trained on.

They know what other measures are to predict, up to sampling noise, and are ranked apart from them. A suite
that sets no ``validation_size`` has none of them. Test examples are never among them; the labels held out are
as noisy as those trained on.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

import genbench
from genbench.measures.siblings import Pairs, disagreement
from genbench.probes.outputs import errors as error_of
from genbench.probes.outputs import losses as losses_of
from genbench.probes.stiffness import Agreement, class_matrix
from genbench.probes.validation import HeldOutPairs

__all__ = [
    "seed_disagreement_val",
    "stiffness_between_val",
    "stiffness_cos_val",
    "stiffness_sign_val",
    "stiffness_within_val",
    "val_error",
    "val_gap",
]

_GRAM = genbench.need("held_out_gram", shared="examples")

Quantity = Literal["error", "loss"]
"""The error is the share misclassified, 1 − R² in regression; the loss cross-entropy or squared error."""


@genbench.measure(
    family="held_out", direction="+", source="le-big-mac/robust-generalization-measures, VALIDATION_ACC",
    formula="mean_i 1[argmax f(x_i) ≠ y_i] over the validation split",
)  # fmt: skip
def val_error(
    task, validation, logits=genbench.need("validation_logits"), *, quantity: Quantity = "error"
) -> Tensor:
    """Error on the validation split: what a practitioner would go by, and hard to beat.

    Parameters
    ----------
    quantity : {"error", "loss"}

    Raises
    ------
    NotApplicable
        The split has no examples; or of the error, some outputs are not finite, or in regression the targets
        do not vary.
    """
    return _on(task, validation, logits, quantity)


@genbench.measure(
    family="held_out", direction="+", source="le-big-mac/robust-generalization-measures, VALIDATION_ACC",
    formula="validation error − training error",
)  # fmt: skip
def val_gap(
    task, validation, errors, losses, logits=genbench.need("validation_logits"),
    *, quantity: Quantity = "error",
) -> Tensor:  # fmt: skip
    """The gap itself, estimated on the validation split.

    Parameters
    ----------
    quantity : {"error", "loss"}

    Raises
    ------
    NotApplicable
        As of `val_error`, on either split.
    """
    trained = errors if quantity == "error" else losses.mean()
    return _on(task, validation, logits, quantity) - trained


@genbench.measure(
    family="held_out", direction="+", source="Jiang et al. 2022 (Assessing generalization via disagreement)",
    formula="mean over siblings h' of mean_i 1[h(x_i) ≠ h'(x_i)] over the validation split",
)  # fmt: skip
def seed_disagreement_val(classes=genbench.need("validation_classes"), *, pairs: Pairs = "own") -> Tensor:
    """Share of the examples held out on which the fit and one with another seed predict differently.

    In expectation it is the test error itself where the ensemble of seeds is calibrated. The validation split
    is the same for all seeds, so that none of them was trained on it.

    Parameters
    ----------
    pairs : {"own", "all"}
        The fit with each of its siblings, or all pairs of seeds, which gives every seed the same value.
    """
    return disagreement(classes, pairs)


@genbench.measure(
    family="held_out", direction="-", source="Fort et al. 2019; Walker 2023, definition 3.1, section 3.3",
    formula="mean sign⟨g_i, g_j⟩, x_j held out",
)  # fmt: skip
def stiffness_sign_val(gram=_GRAM, *, pairs: HeldOutPairs = "train-val") -> Tensor:
    """Sign stiffness between training examples and examples held out: whether training helps the latter.

    A pair of which one gradient vanishes counts as 0.

    Parameters
    ----------
    pairs : {"train-val", "val-val"}
        Of one example trained on and one held out, or of two held out.
    """
    return gram.block(pairs).mean("sign")


@genbench.measure(
    family="held_out", direction="-", source="Fort et al. 2019; Walker 2023, definition 3.2, section 3.3",
    formula="mean cos(g_i, g_j), x_j held out",
)  # fmt: skip
def stiffness_cos_val(gram=_GRAM, *, pairs: HeldOutPairs = "train-val") -> Tensor:
    """Cosine stiffness between training examples and examples held out.

    A pair of which one gradient vanishes counts as 0.

    Parameters
    ----------
    pairs : {"train-val", "val-val"}
        Of one example trained on and one held out, or of two held out.
    """
    return gram.block(pairs).mean("cosine")


@genbench.measure(
    family="held_out", direction="-", source="Fort et al. 2019; Walker 2023, definition 3.6, section 3.3",
    formula="mean_a C_aa, C_ab = mean_{i∈a, j∈b} S(g_i, g_j), x_j held out",
)  # fmt: skip
def stiffness_within_val(
    task, gram=_GRAM, *, agreement: Agreement = "cosine", pairs: HeldOutPairs = "train-val"
) -> Tensor:
    """Stiffness within classes between training examples and examples held out.

    Parameters
    ----------
    agreement : {"cosine", "sign"}
    pairs : {"train-val", "val-val"}
        Of one example trained on and one held out, or of two held out.
    """
    return class_matrix(task, gram.block(pairs), agreement).within()


@genbench.measure(
    family="held_out", direction="-", source="Fort et al. 2019; Walker 2023, definition 3.5, section 3.3",
    formula="mean_{a≠b} C_ab, C_ab = mean_{i∈a, j∈b} S(g_i, g_j), x_j held out",
)  # fmt: skip
def stiffness_between_val(
    task, gram=_GRAM, *, agreement: Agreement = "sign", pairs: HeldOutPairs = "train-val"
) -> Tensor:
    """Stiffness between classes between training examples and examples held out.

    Parameters
    ----------
    agreement : {"cosine", "sign"}
    pairs : {"train-val", "val-val"}
        Of one example trained on and one held out, or of two held out.
    """
    return class_matrix(task, gram.block(pairs), agreement).between()


def _on(task, validation, logits: Tensor, quantity: Quantity) -> Tensor:
    if quantity == "error":
        return error_of(logits, validation.targets, task)
    return losses_of(logits, validation.targets, task).mean()
