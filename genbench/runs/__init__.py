"""The run folder: what lies there, read with suspicion and put into tables."""
