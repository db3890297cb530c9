"""``genbench completion``: words completed by the shell."""

from __future__ import annotations

import click

from genbench.base.errors import UsageError, nearest

SHELLS = ("bash", "zsh", "fish")

_WHERE = {
    "bash": 'eval "$(genbench completion bash)"        # in ~/.bashrc',
    "zsh": 'eval "$(genbench completion zsh)"         # in ~/.zshrc, behind compinit',
    "fish": "genbench completion fish > ~/.config/fish/completions/genbench.fish",
}


@click.command("completion", epilog="\b\nOnce and for all:\n" + "\n".join(_WHERE.values()))
@click.argument("shell", metavar=f"[{'|'.join(SHELLS)}]")
def command(shell: str) -> None:
    """Print what makes a shell complete commands, options, suites, measures, kinds, plugins and runs."""
    from click.shell_completion import get_completion_class

    from genbench.cli import cli

    if shell not in SHELLS:
        raise UsageError(f"no completion for '{shell}'{nearest(shell, SHELLS)}")
    found = get_completion_class(shell)
    assert found is not None
    if shell == "bash":
        click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//:}    # kind:name is one word")
    click.echo(found(cli, {}, "genbench", "_GENBENCH_COMPLETE").source())
