"""Audits: what is measured of the measures themselves, apart from any ranking.

`invariance` asks what a measure sees that the network's function does not show: it computes all measures on
small networks (`networks`) before and after changes whose effect on the function is known
(`transformations`).
`repeatability` sets the spread of a measure across seeds of its generator against its spread across the fits
of a run, `cost` takes the time of each measure alone. `stored` reads the tables that come with genbench,
without torch, for cards and reports, and `words` puts them into words. ``genbench audit NAME --out FILE``
makes them anew: ``invariance.json``, ``cost.json`` and, from a run of the suite `digits`,
``repeatability.json`` in this folder.
"""
