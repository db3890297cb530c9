"""``genbench docs``: the guide, the cards of all components and the public names as one page, opened."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.cli import options
from genbench.cli.waiting import Waiting


@click.command("docs")
@click.option(
    "--out", type=options.PATH, metavar="FILE", help="Where to; in genbench's cache where left out."
)
@click.option("--no-open", is_flag=True, help="Write the page only.")
@options.plugins
def command(out: Path | None, no_open: bool, plugins: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Open the documentation in a browser: guide, gallery, every component, every public name.

    It is one file, made of what is installed, plugins included, and needs no network.
    """
    import webbrowser

    import genbench
    from genbench.base.files import cache_folder, unwritable, write_atomically

    file = cache_folder() / "docs" / f"genbench-{genbench.__version__}.html" if out is None else out
    with Waiting("writing the page"):
        page = _page(plugins, without)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, page.encode())
    except OSError as fault:
        raise unwritable(file, fault) from None
    click.echo(file)
    if not no_open and not webbrowser.open(file.resolve().as_uri()):
        options.warn("no browser can be started here; open the file in one")


def _page(plugins: tuple[str, ...], without: tuple[str, ...]) -> str:
    from genbench.cli.reference import every_topic
    from genbench.report.catalog_cache import host_for_cards
    from genbench.report.guide import reference
    from genbench.report.guide.page import as_page

    host = host_for_cards(plugins, without)
    parts = [*reference.components(host), reference.suites(host), reference.public_names()]
    return as_page(every_topic(), parts)
