"""Plugins begun: a whole package, or one file, for each kind of component, filled in from `templates`."""

from genbench.scaffolding.package import KINDS, Begun, begin

__all__ = ["KINDS", "Begun", "begin"]
