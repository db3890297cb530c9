"""Where the names of version 0.1.0 live that are no longer where they were.

Only ``genbench.NAME`` is promised to stay. Whoever imports from a module below it learns here, in the fault
that the import raises, what to write instead.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["MOVED", "Signpost", "hint", "signpost"]

MOVED = {
    "genbench.auditing.tables": "genbench.auditing.words",
    "genbench.auditing.tables.print_audit": "genbench.cli.audit.print_audit",
    "genbench.canonical": "genbench.base.canonical",
    "genbench.catalog": "genbench.report.catalog",
    "genbench.claims.Claim": "genbench.planning.claims.claim.Claim",
    "genbench.claims.TEST_HISTORY": "genbench.planning.claims.reading.TEST_HISTORY",
    "genbench.claims.claim": "genbench.planning.claims.claim",
    "genbench.claims.claim.OUTCOME_COLUMNS": "genbench.base.outcomes.COLUMNS",
    "genbench.claims.column_faults": "genbench.planning.claims.reading.column_faults",
    "genbench.claims.inheritance": "genbench.planning.claims.inheritance",
    "genbench.claims.planned": "genbench.planning.coverage",
    "genbench.claims.read_claims": "genbench.planning.claims.reading.read_claims",
    "genbench.claims.reading": "genbench.planning.claims.reading",
    "genbench.claims.with_inherited": "genbench.planning.claims.inheritance.with_inherited",
    "genbench.cli.options.words": "genbench.host.settings.split_at_commas",
    "genbench.components": "genbench.contract.components",
    "genbench.constraints": "genbench.base.constraints",
    "genbench.data": "genbench.base.data",
    "genbench.data.Data": "genbench.Data",
    "genbench.data.Split": "genbench.Split",
    "genbench.data.Task": "genbench.Task",
    "genbench.datasets.content.file_hash": "genbench.base.files.file_hash",
    "genbench.datasets.prepared": "genbench.fitting.prepared",
    "genbench.datasets.sampling": "genbench.base.sampling",
    "genbench.decorators": "genbench",
    "genbench.environment": "genbench.runs.environment",
    "genbench.errors": "genbench.base.errors",
    "genbench.errors.GenbenchError": "genbench.GenbenchError",
    "genbench.errors.InvalidInput": "genbench.InvalidInput",
    "genbench.errors.NotApplicable": "genbench.NotApplicable",
    "genbench.errors.UsageError": "genbench.UsageError",
    "genbench.evaluation.evaluate": "genbench.evaluate",
    "genbench.execution.jobs": "genbench.contract.jobs",
    "genbench.execution.local": "genbench.executors.local",
    "genbench.files": "genbench.base.files",
    "genbench.fitting.network": "genbench.fitting.building.build",
    "genbench.fitting.normalized_losses": "genbench.fitting.fit.normalized_losses",
    "genbench.fitting.parts": "genbench.fitting.building.build",
    "genbench.fitting.plain_settings": "genbench.fitting.building.build",
    "genbench.fitting.training_data": "genbench.fitting.building.build",
    "genbench.grid": "genbench.planning.grid",
    "genbench.hookspecs": "genbench.contract.hookspecs",
    "genbench.host.CORE": "genbench.base.names.CORE",
    "genbench.host.Plugin": "genbench.host.plugin.Plugin",
    "genbench.host.PluginSource": "genbench.host.plugin.PluginSource",
    "genbench.identity": "genbench.host.identity",
    "genbench.label_noise": "genbench.training.label_noise",
    "genbench.locks": "genbench.execution.locks",
    "genbench.measuring.describe_measure": "genbench.host.identity.describe_measure",
    "genbench.measuring.roots": "genbench.fitting.roots.roots",
    "genbench.measuring.seed_for": "genbench.host.identity.seed_for",
    "genbench.measuring.sees_other_examples": "genbench.planning.plan.sees_other_examples",
    "genbench.models.roles": "genbench.networks.roles",
    "genbench.models.surgery": "genbench.networks.surgery",
    "genbench.observers": "genbench.execution.observers",
    "genbench.overrides": "genbench.planning.overrides",
    "genbench.plan": "genbench.planning.plan",
    "genbench.plan.ABSENT": "genbench.planning.axes.ABSENT",
    "genbench.plan.axis_named": "genbench.planning.axes.axis_named",
    "genbench.plan.axis_values": "genbench.planning.axes.axis_values",
    "genbench.plan.Identity": "genbench.planning.plan.DataFacts",
    "genbench.plugin": "genbench.host.plugin",
    "genbench.plugin.hook_arguments": "genbench.host.hooks.hook_arguments",
    "genbench.prediction": "genbench.fitting.prediction",
    "genbench.probes.folding": "genbench.networks.folding",
    "genbench.probes.folding.folded_initial_model": "genbench.probes.layers.folded_initial_model",
    "genbench.probes.folding.folded_model": "genbench.probes.layers.folded_model",
    "genbench.probes.gradient_products": "genbench.networks.gradient_products",
    "genbench.probes.hessian": "genbench.networks.hessian",
    "genbench.probes.hidden.At": "genbench.networks.hidden.At",
    "genbench.probes.hidden.Place": "genbench.networks.hidden.Place",
    "genbench.probes.hidden.differentiable_pass": "genbench.networks.hidden.differentiable_pass",
    "genbench.probes.hidden.hidden_places": "genbench.networks.hidden.hidden_places",
    "genbench.probes.layer_gradients": "genbench.networks.layer_gradients",
    "genbench.probes.layers.matched": "genbench.networks.layers.matched",
    "genbench.probes.linear_pieces": "genbench.networks.linear_pieces",
    "genbench.probes.normalization.require_homogeneous": "genbench.networks.homogeneity.require_homogeneous",
    "genbench.probes.sample": "genbench.networks.passes",
    "genbench.probes.sample.sample_size": "genbench.probes.outputs.sample_size",
    "genbench.probing.Battery": "genbench.host.battery.Battery",
    "genbench.probing.Request": "genbench.host.battery.Request",
    "genbench.probing.Status": "genbench.base.values.Status",
    "genbench.probing.Value": "genbench.Value",
    "genbench.probing.battery": "genbench.host.battery",
    "genbench.probing.cost": "genbench.measuring.cost",
    "genbench.probing.engine": "genbench.measuring.engine",
    "genbench.probing.engine.Engine": "genbench.measuring.engine.compute",
    "genbench.probing.guard": "genbench.measuring.guard",
    "genbench.probing.guard.fingerprint": "genbench.measuring.guard.Fingerprint",
    "genbench.probing.guard.kept_torch_settings": "genbench.networks.ambient.ordinary_torch",
    "genbench.ranking.battery": "genbench.ranking.statistics",
    "genbench.ranking.battery.custom": "genbench.ranking.from_elsewhere.custom",
    "genbench.ranking.bootstrap": "genbench.ranking.resampling",
    "genbench.ranking.bootstrap.rank_bounds": "genbench.ranking.rank_ranges.rank_bounds",
    "genbench.ranking.bootstrap.student_interval": "genbench.ranking.uncertainty.student_interval",
    "genbench.ranking.bootstrap.surely_better": "genbench.ranking.rank_ranges.surely_better",
    "genbench.report.regularizers": "genbench.runs.regularizers",
    "genbench.report.terminal.print_ranking": "genbench.report.ranking.print_ranking",
    "genbench.results": "genbench.runs.results",
    "genbench.results.with_costs": "genbench.runs.results.RunTable.with_costs",
    "genbench.runner": "genbench.execution.runner",
    "genbench.runner.Executor": "genbench.contract.jobs.Executor",
    "genbench.runner.Summary": "genbench.runs.run.Summary",
    "genbench.selection": "genbench.host.selection",
    "genbench.settings": "genbench.host.settings",
    "genbench.signatures": "genbench.host.signatures",
    "genbench.splits": "genbench.fitting.splits",
    "genbench.splits.PreparedData": "genbench.fitting.prepared.PreparedData",
    "genbench.splits.SplitName": "genbench.fitting.prepared.SplitName",
    "genbench.splits.prepare": "genbench.fitting.prepared.prepare",
    "genbench.status": "genbench.runs.status",
    "genbench.store": "genbench.runs.store",
    "genbench.suite": "genbench.planning.suite",
    "genbench.toml": "genbench.base.toml",
    "genbench.training.VERSION": "genbench.contract.protocol.TRAINER_VERSION",
    "genbench.training.per_example": "genbench.networks.per_example",
    "genbench.training.protocol": "genbench.contract.protocol",
    "genbench.training.protocol.Protocol": "genbench.Protocol",
    "genbench.training.regularizer": "genbench.contract.regularizer",
    "genbench.training.regularizer.Regularizer": "genbench.Regularizer",
    "genbench.training.regularizer.Step": "genbench.Step",
    "genbench.training.walk": "genbench.networks.walk",
    "genbench.training.walk.WalkKeeper": "genbench.training.recording.WalkKeeper",
    "genbench.values": "genbench.base.values",
    "genbench.values.Value": "genbench.Value",
}
"""Dotted path of a module or of one of its names to the path that it has now.

A name that has no line of its own went where its module went.
"""


def hint(old: str) -> str:
    """One line on where a module or a name is now; empty for what never moved."""
    parts = [
        f"{path.removeprefix(old + '.')} is {new}"
        for path, new in MOVED.items()
        if path.startswith(f"{old}.")
    ]
    if old in MOVED:
        parts.append(f"{'the rest is now in' if parts else 'it is now'} {MOVED[old]}")
    return f"{old} has moved: {', '.join(parts)}" if parts else ""


class Signpost:
    """Stands at the end of `sys.meta_path`: tells of modules, and of names of packages, that have moved."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Find nothing.

        Raises
        ------
        ImportError
            The name has moved. It is no `ModuleNotFoundError`, which ``from package import name`` swallows.
        """
        told = hint(name)
        if told:
            raise ImportError(told, name=name)


def signpost(module: str) -> None:
    """Let a module that is no package tell of names that left it: Python asks nobody else for them."""

    def absent(name: str) -> Any:
        told = hint(f"{module}.{name}")
        if told:
            raise ImportError(told, name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    # Not a `__getattr__` written in the module, which would let every misspelled name pass a type checker.
    vars(sys.modules[module])["__getattr__"] = absent
