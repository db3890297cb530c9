"""The guide says nothing that is not so: its commands exist, its examples run, its links lead somewhere."""

import re
import shlex
import shutil

import click
import pytest
from running import command

from genbench.cli import COMMANDS
from genbench.cli.reference import every_command, every_topic
from genbench.report.figures import KINDS
from genbench.report.guide.page import as_page
from genbench.report.guide.topics import PLOTS, on_terminal

TOPICS = {each.name: each for each in every_topic()}
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
SAVED = re.compile(r"Save this as\s+`([^`]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)


def blocks(text, *languages):
    return [code for language, code in BLOCK.findall(text) if language in languages]


def commands_of(text):
    """The words behind ``genbench`` of every command in a shell block, and of those in a sentence."""
    lines = [line for block in blocks(text, "sh", "console") for line in block.splitlines()]
    inline = [" ".join(each.split()) for each in re.findall(r"`(genbench [a-z][^`]*)`", BLOCK.sub("", text))]
    return [shlex.split(each)[1:] for each in (*lines, *inline) if each.startswith("genbench ")]


def options_of(words):
    """The options that the command has which the words name, and the words left; None for no such command."""
    known = dict(every_command())
    for count in (2, 1):
        found = known.get(" ".join(words[:count]))
        if found is not None:
            return {name for each in found.params for name in each.opts if name.startswith("-")}
    groups = {name.partition(" ")[0] for name in known if " " in name}
    return set() if words[0] in groups and len(words) == 1 else None


@pytest.mark.parametrize("name", TOPICS)
def test_every_command_of_a_topic_exists_with_its_options(name):
    for words in commands_of(TOPICS[name].text):
        options = options_of(words)
        assert options is not None, words
        asked = {each.partition("=")[0] for each in words if each.startswith("--")}
        assert asked <= options | {"--help", "--version"}, words


def test_every_command_and_option_is_mentioned():
    text = "\n".join(each.text for each in TOPICS.values())
    for words, found in every_command():
        assert f"genbench {words}" in text
        part = TOPICS["commands"].text.partition(f"\n## {words}\n")[2].partition("\n## ")[0]
        for each in found.params:
            if isinstance(each, click.Option):
                assert all(f"`{name}" in part for name in each.opts), (words, each.opts)
    assert {words.partition(" ")[0] for words, _ in every_command()} == set(COMMANDS)


def test_links_lead_to_topics_and_papers():
    for each in TOPICS.values():
        for address in re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", each.text)):
            if address.startswith("#"):
                assert address[1:] in TOPICS
            elif address.startswith("plots/"):
                assert (PLOTS / address.removeprefix("plots/")).is_file()
            else:
                assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", address)


def test_the_gallery_has_every_kind_of_figure():
    assert {each.stem for each in PLOTS.iterdir()} == set(KINDS)
    assert all(f"\n## {kind}\n" in TOPICS["plots"].text for kind in KINDS)


def test_on_a_terminal_links_name_the_command_that_follows_them():
    assert on_terminal("see [Plugins](#plugins)\n\n![a](plots/a.png)\n\nend") == (
        "see Plugins (`genbench help plugins`)\n\nend"
    )


def test_the_page_holds_every_topic_and_asks_nobody_for_anything():
    page = as_page(list(TOPICS.values()))
    assert [name for name in TOPICS if f'<section id="{name}"' not in page] == []
    assert page.count('src="data:image/png;base64,') == len(KINDS)
    assert not re.search(r'src="(?!data:)|url\(|@import|<script', page)
    assert page == as_page(every_topic())


def test_help_lists_topics_shows_one_and_writes_the_page(tmp_path):
    listed = command("help")
    assert all(f"  {each.name} " in listed.out and each.title in listed.out for each in TOPICS.values())
    assert command("help", "reading").out == on_terminal(TOPICS["reading"].text)
    assert command("help", "rank").out == command("rank", "--help").out
    assert command("help", "leaderboard").out == command("leaderboard", "--help").out
    assert command("help", "leaderboard", "pack").out == command("leaderboard", "pack", "--help").out
    written = command("help", "--html", tmp_path / "guide.html")
    assert written.code == 0
    assert (tmp_path / "guide.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("readin", "reading"),
        ("pack", "leaderboard pack"),
        ("leaderboard pac", "leaderboard pack"),
        ("leaderbord pack", "leaderboard pack"),
        ("run all", "run"),
    ],
)
def test_an_unknown_topic_is_refused_with_the_nearest(words, meant):
    ended = command("help", *words.split())
    assert (ended.code, ended.out) == (2, "")
    assert f"no topic '{words}'; did you mean '{meant}'?" in ended.err


# Some thirty commands, most of which rank or plan: half a minute.
@pytest.mark.slow
def test_the_examples_run(finished, tmp_path, monkeypatch, inline):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "runs" / "digits")
    given = command("measure", "runs/digits", "--measures", "path_norm,inverse_margin", "--workers", 1)
    assert given.code == 0, given.err
    for each in TOPICS.values():
        for name, content in SAVED.findall(each.text):
            (tmp_path / name).write_text(content, encoding="utf-8")
        for block in blocks(each.text, "sh"):
            for line in block.splitlines():
                ended = command(*shlex.split(line)[1:])
                assert ended.code == 0, f"{line}\n{ended.err}"
        for block in blocks(each.text, "python"):
            exec(compile(block, each.name, "exec"), {"__name__": each.name})
