"""The README says nothing that was not run: its examples are run here, its two commands by `.ci/run`."""

import re
import shlex
from pathlib import Path

import pytest
from running import command

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def shell_line(start: str) -> list[str]:
    """The words of the shell command that begins so, without the program's name."""
    line = next(each for each in blocks("sh") if each.startswith(start))
    return shlex.split(line)[1:]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 20)):
        for label, brightness in (("dark", 110), ("light", 145)):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                light = brightness + int(draw.normal(0, 25))
                pixels = draw.integers(max(light - 60, 0), min(light + 60, 255), (20, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def test_the_plugin_takes_part_in_a_run_that_exists(finished, tmp_path, monkeypatch, inline):
    import shutil

    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "runs" / "digits")
    (tmp_path / "mine.py").write_text(blocks("python")[0])

    ended = command(*shell_line("genbench measure"), "--workers", 1)

    assert ended.code == 0, ended.err
    assert "mine:mean_largest_output[power=2]" in ended.out


def test_the_suite_on_own_pictures_runs(pictures, tmp_path, monkeypatch, inline):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(blocks("toml")[0])

    ended = command(*shell_line("genbench run --suite mine.toml"), "--workers", 1)

    assert ended.code == 0, ended.err
    assert "inverse_margin" in ended.out


def test_a_network_of_ones_own_is_measured(capsys):
    exec(blocks("python")[1], {})

    number, status = capsys.readouterr().out.split()
    assert float(number) > 0
    assert status == "ok"


def test_the_ranking_shown_is_of_this_version():
    import genbench

    assert f"genbench {genbench.__version__}" in README.read_text(encoding="utf-8")


def test_every_method_that_a_regularizer_may_override_is_named():
    from genbench.contract.regularizer import Regularizer

    own = {name for name, each in vars(Regularizer).items() if callable(each) and not name.startswith("_")}

    named = set(re.findall(r"`(\w+)`", README.read_text(encoding="utf-8")))

    assert own - {"refuse"} <= named
