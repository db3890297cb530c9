"""Plugins found, components named, measures chosen and resolved."""

from genbench.host.host import Host

__all__ = ["Host"]
