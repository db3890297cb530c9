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


def test_a_training_of_ones_own_is_recorded(capsys):
    names: dict = {}
    exec(blocks("python")[1], names)
    capsys.readouterr()
    exec(blocks("python")[2], names)

    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["measure", "value"]
    assert [row.split()[0] for row in rows] == ["fro_dist", "traj_length"]
    assert all(" ok" in row for row in rows)


def test_networks_from_files_are_measured_and_brought_in(tmp_path, monkeypatch, inline):
    import torch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def make(width=4):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))\n"
    )
    (tmp_path / "checkpoints").mkdir()
    rows = ["file,width,seed"]
    for width in (4, 8):
        layers = torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
        torch.save(torch.nn.Sequential(*layers).state_dict(), tmp_path / "checkpoints" / f"{width}.pt")
        rows.append(f"{width}.pt,{width},0")
    (tmp_path / "checkpoints" / "manifest.csv").write_text("\n".join(rows))
    (tmp_path / "last.pt").write_bytes((tmp_path / "checkpoints" / "4.pt").read_bytes())

    block = next(each for each in blocks("sh") if "genbench import" in each)
    measured, brought_in = (shlex.split(line.partition(" > ")[0])[1:] for line in block.splitlines())
    assert command(*measured, "--measures", "param_norm").out.startswith("<!doctype html>")
    ended = command(*brought_in, "--measures", "param_norm", "--workers", 1)
    assert ended.code == 0, ended.err


def test_the_ranking_shown_is_of_this_version():
    import genbench

    assert f"genbench {genbench.__version__}" in README.read_text(encoding="utf-8")


def test_every_method_that_a_regularizer_may_override_is_named():
    from genbench.contract.regularizer import Regularizer

    own = {name for name, each in vars(Regularizer).items() if callable(each) and not name.startswith("_")}

    named = set(re.findall(r"`(\w+)`", README.read_text(encoding="utf-8")))

    assert own - {"refuse"} <= named
