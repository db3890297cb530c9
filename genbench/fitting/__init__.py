"""A trial made real: its data, its network, its training, its prediction; and the roots to measure it by."""
