"""A plan brought to its end: the runner, its workers and who watches over them, locks, observers."""
