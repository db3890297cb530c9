"""The built-in regularizers, one per file: `none`, `weight-decay`, `dropout`, `label-smoothing`."""

from genbench.regularizers import dropout, label_smoothing, none, weight_decay

__all__ = ["dropout", "label_smoothing", "none", "weight_decay"]
