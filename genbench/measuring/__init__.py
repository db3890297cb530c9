"""One pass over a fit or a network: from a resolved battery to values."""
