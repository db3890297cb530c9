"""Entries made to harm: refused with clear lines, or shown as text; never executed, never half-imported."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
import tracemalloc
import zlib

import pytest
from leaderboard.lines import edit, read, write
from running import command

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput
from genbench.host.identity import identity_digest, value_key
from genbench.leaderboard import files
from genbench.leaderboard.files import parse
from genbench.leaderboard.markdown import escaped

SCRIPT = "<script>alert(1)</script>"


def refused(entry) -> list[str]:
    ended = command("leaderboard", "validate", entry)
    assert ended.code == 3
    assert "Traceback" not in ended.err
    return [line.removeprefix("genbench: ") for line in ended.err.splitlines()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"value": NaN}', "holds NaN, which JSON does not have"),
        ('{"value": -Infinity}', "holds -Infinity, which JSON does not have"),
        ('{"value": 1e999}', "holds 1e999, which is too large for a number"),
        ('{"value": ' + "9" * 5000 + "}", "holds a number of 5000 digits"),
        ('{"key": 1, "key": 2}', "has the key 'key' twice"),
        ("[" * 50 + "]" * 50, "is nested more than 12 deep"),
        ("[" * 100_000, "is nested more than 12 deep"),
        ('{"reason": "a\\u202eb"}', "holds a text with the control character U+202E"),
        ('{"reason": "a\\u0000b"}', "holds a text with the control character U+0000"),
        ('{"reason": "\\ud800"}', "holds a text with the control character U+D800"),
        ('{"reason": "' + "x" * 30_000 + '"}', "holds a text of 30,000 characters"),
        ("{'fit': 1}", "is no JSON: "),
    ],
)
def test_what_is_no_strict_json_is_one_clear_line(entry, text, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse(text.encode())
    assert len(str(caught.value).splitlines()) == 1
    with (entry / "values.jsonl").open("a") as file:
        file.write(f"{text}\n")
    lines = refused(entry)
    assert len(lines) == 1
    assert lines[0].startswith(f"values.jsonl: line 13: {said}")


def test_bytes_that_are_no_utf8_are_refused(entry):
    with (entry / "values.jsonl").open("ab") as file:
        file.write(b'{"fit": "\xff"}\n')
    assert refused(entry) == ["values.jsonl: line 13: is not UTF-8"]


def test_a_million_lines_are_not_read(entry):
    (entry / "values.jsonl").write_bytes(b"{}\n" * 1_000_000)
    assert refused(entry) == ["values.jsonl: has 1,000,000 lines; the limit is 500,000"]


def test_the_values_of_the_largest_entry_fit_into_memory(packed):
    lines = (packed / "values.jsonl").read_bytes().splitlines(keepends=True)
    count = 4000
    content = b"".join(lines[each % len(lines)] for each in range(count))
    tracemalloc.start()
    try:
        problems: list[str] = []
        kept = [line for _, line in files.read_lines("values.jsonl", content, problems)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problems == []
    assert len(kept) == count
    # Beside them stand the bytes of the file, at most 128 MiB, and 100 MB of the program.
    assert size / count * files.LIMITS["values.jsonl"].lines < 260e6


def test_a_line_without_end_is_refused(entry):
    (entry / "values.jsonl").write_bytes(b'"' + b"x" * (2 << 20) + b'"')
    assert refused(entry) == ["values.jsonl: line 1: has 2,097,154 bytes; the limit is 1,048,576"]


def test_a_large_file_is_not_read_at_all(entry, monkeypatch):
    with (entry / "values.jsonl").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room, and reading it would take a terabyte
    assert refused(entry) == ["values.jsonl: has 1,099,511,627,776 bytes; the limit is 67,108,864"]


def test_a_bomb_is_not_unpacked_beyond_its_limit(entry):
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(machine.compress(bytes(1 << 20)) for _ in range(80)) + machine.flush()
    assert len(bomb) < 1 << 18
    (entry / "fits.jsonl").unlink()
    (entry / "fits.jsonl.gz").write_bytes(bomb)
    assert refused(entry) == ["fits.jsonl.gz: unpacks to more than 67,108,864 bytes"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no gzip", "is no gzip file, or a damaged one"),
        (gzip.compress(b"{}\n", mtime=0)[:-4], "is cut off, or has something behind its end"),
        (gzip.compress(b"", mtime=0) + b"more", "is cut off, or has something behind its end"),
    ],
)
def test_a_damaged_archive_is_refused(entry, content, said):
    (entry / "values.jsonl").unlink()
    (entry / "values.jsonl.gz").write_bytes(content)
    assert refused(entry) == [f"values.jsonl.gz: {said}"]


def test_a_file_that_is_there_twice_is_refused(entry):
    (entry / "fits.jsonl.gz").write_bytes(gzip.compress((entry / "fits.jsonl").read_bytes()))
    assert refused(entry) == ["fits.jsonl.gz: is there twice, compressed and not"]


def link(entry):
    (entry / "suite.toml").rename(entry.parent / "away.toml")
    (entry / "suite.toml").symlink_to(entry.parent / "away.toml")


def folder(entry):
    (entry / "suite.toml").unlink()
    (entry / "suite.toml").mkdir()


def pipe(entry):
    (entry / "suite.toml").unlink()
    os.mkfifo(entry / "suite.toml")


@pytest.mark.parametrize("harm", [link, folder, pipe])
def test_only_plain_files_are_opened(entry, harm):
    harm(entry)
    said = "suite.toml: is a link, a folder or a device; an entry has plain files only"
    assert refused(entry) == [said]


def test_an_entry_that_is_a_link_itself_is_refused(entry, tmp_path):
    (tmp_path / "elsewhere").symlink_to(entry)
    assert "is no folder, or a link to one" in refused(tmp_path / "elsewhere")[0]


@pytest.mark.parametrize("name", ["setup.py", "weights.safetensors", "values.pkl", ".git", "suite.toml.gz"])
def test_files_that_no_entry_has_are_refused(entry, name):
    (entry / name).write_text("import os")
    (line,) = refused(entry)
    assert line.startswith(f"{name}: no file of an entry, which are {', '.join(files.LIMITS)}")


def test_a_missing_file_is_named(entry):
    (entry / "measures.jsonl").unlink()
    assert refused(entry) == ["measures.jsonl: is missing"]


@pytest.mark.parametrize("size", ["10000000000", "[" + "1, " * 3 + "1]"])
def test_a_grid_that_is_too_large_is_not_expanded(entry, size):
    text = (entry / "suite.toml").read_text().replace('"seeds" = 2', f'"seeds" = {size}')
    axis = ", ".join(map(str, range(600)))
    if size.startswith("["):
        text = text.replace("[0.03, 0.1]", f"[{axis}]").replace('"width" = 8', f'"width" = [{axis}]')
    (entry / "suite.toml").write_text(text)
    assert any("points, more than 1,000,000" in line for line in refused(entry))


@pytest.mark.slow
def test_thousands_of_tables_are_counted_before_they_are_expanded(entry):
    from genbench.leaderboard.points import points_of

    axis = list(range(100))
    declared = [
        {"kind": kind, "name": name, "spelled": [], "version": 1, "defaults": {}, "lists": []}
        for kind, name in (("dataset", "digits"), ("model", "mlp"), ("protocol", "interpolate"))
    ]
    table = {"dataset": "digits", "model": {"name": "mlp", "width": axis, "depth": axis}}
    before = time.process_time()
    with pytest.raises(InvalidInput, match="points, more than 1,000,000"):
        points_of({"grid": [table] * 5000}, declared)
    assert time.process_time() - before < 20


@pytest.mark.parametrize(
    "key", ["grid", "dataset", "model", "protocol", "regularizers", "seeds", "measures", "targets"]
)
@pytest.mark.parametrize(
    "value", ["3", '"../../etc/passwd"', "[[1]]", "{ name = 3 }", "{ name = 'mlp', width = [] }"]
)
def test_a_nonsensical_suite_is_refused(entry, key, value):
    lines = (entry / "suite.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f'"{key}"')]
    (entry / "suite.toml").write_text("\n".join([*kept, f"{key} = {value}\n"]))
    assert refused(entry)


def test_deep_toml_is_refused(entry):
    (entry / "suite.toml").write_text(f"a = {'[' * 5000}{']' * 5000}\n")
    assert len(refused(entry)) >= 1


def renamed(entry, name: str, summary: str, family: str) -> None:
    """Give a measure another name and make all keys fit, as whoever wants to harm would."""
    identities = {}

    def measure(line):
        if line["measure"] != "param_norm":
            return
        line.update(measure=name, summary=summary, family=family, plugin=name.partition(":")[0])
        line["identity"]["measure"]["name"] = name
        identities[name] = identity_digest(line["identity"])

    def value(line):
        if line["measure"] == "param_norm":
            line.update(measure=name, key=value_key(line["fit"], identities[name]))

    edit(entry / "measures.jsonl", measure)
    edit(entry / "values.jsonl", value)
    text = (entry / "suite.toml").read_text()
    (entry / "suite.toml").write_text(text.replace('"param_norm"', json.dumps(name)))


def test_a_script_in_any_text_is_shown_as_text(root):
    entry = root / "entries" / "tiny-alice"
    renamed(entry, f"evil:{SCRIPT}", f"'\"><img src=x onerror=alert(2)>{SCRIPT}", f"|`{SCRIPT}`|")
    header = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps({**header, "submitter": f"[x](javascript:1) {SCRIPT}"}))
    suite = (entry / "suite.toml").read_text()
    title = f"# {SCRIPT} | <details>"
    (entry / "suite.toml").write_text(re.sub('"title" = .*', f'"title" = {json.dumps(title)}', suite))
    assert command("leaderboard", "validate", entry).code == 0
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    page = (root / "index.html").read_text()
    assert page.count("<script") == 1  # its own
    assert "<img" not in page
    assert "onerror=alert(2)&gt;" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    markdown = (root / "README.md").read_text()
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert "](javascript" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows if "evil:" in line}) == 1
    content = json.loads((root / "leaderboard.json").read_text())
    assert f"evil:{SCRIPT}" in content["tables"][0]["measures"]


@pytest.mark.parametrize(
    "text",
    [
        "a|b",
        "`a`",
        "<b>",
        "a *b* c",
        "[a](b)",
        "&lt;",
        "# a",
        "- a",
        "+ a",
        "_a_",
        "a\n\n# b",
        "![a](b)",
        "$x$",
        "@a",
    ],
)
def test_no_sign_keeps_its_meaning_in_markdown(text):
    line = escaped(text)
    assert "\n" not in line
    assert not re.search(r"[<>|`*\[\]()@$]|^[-+=#_]|_$", re.sub(r"&#\d+;", "", line))
    assert re.sub(r"&#(\d+);", lambda sign: chr(int(sign.group(1))), line) == " ".join(text.split())


def test_names_keep_their_underscores_in_markdown():
    assert escaped("log_prod_of_spec") == "log_prod_of_spec"


def test_a_formula_stays_a_text_in_the_csv(root):
    renamed(root / "entries" / "tiny-alice", "=cmd:HYPERLINK", "s", "=1+1")
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    table = (root / "leaderboard.csv").read_text()
    assert "'=cmd:HYPERLINK" in table
    assert ",=cmd" not in table
    assert ",=1+1" not in table


@pytest.mark.parametrize("name", ["..x", "-rf", "a b", "a\u202eb", "x" * 200, "<b>"])
def test_an_entry_with_a_strange_name_is_refused(root, name):
    (root / "entries" / "tiny-alice").rename(root / "entries" / name)
    ended = command("leaderboard", "build", root)
    if name.startswith(".."):  # hidden, hence no entry
        assert ended.code == 0
        return
    assert ended.code == 3
    assert "an entry is named with letters, digits, '.', '_' and '-'" in ended.err
    assert "\u202e" not in ended.err


def test_one_bad_entry_and_nothing_is_written(root, packed):
    import shutil

    bad = root / "entries" / "bad"
    shutil.copytree(packed, bad)
    edit(bad / "fits.jsonl", lambda line: line.update(gap=0.5), which=1)
    ended = command("leaderboard", "build", root)
    assert ended.code == 3
    assert ended.err.startswith("genbench: bad: fits.jsonl: ")
    assert sorted(each.name for each in root.iterdir()) == ["entries"]


def test_a_value_from_another_entrys_fit_is_no_value(entry):
    lines = read(entry / "values.jsonl")
    stranger = {**lines[0], "fit": "ab" * 16}
    stranger["key"] = value_key(stranger["fit"], "0" * 32)
    write(entry / "values.jsonl", [*lines, stranger])
    assert refused(entry) == [f"values.jsonl: {'ab' * 16}: there is no such fit"]
    assert canonical_json(stranger)
