import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genbench
from genbench.datasets import pictures
from genbench.datasets.images import cifar10_jpeg, cifar10_jpeg_small, images


def png(level: int, size: tuple[int, int] = (6, 5), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, (level, 0, 255)[: len(Image.new(mode, size).getbands())]).save(stream, "PNG")
    return stream.getvalue()


FILES = {
    "train/cat/1.png": png(10),
    "train/cat/2.PNG": png(20),
    "train/ant/deep/3.png": png(30),
    "test/cat/4.png": png(40),
    "train/cat/notes.txt": b"no picture",
    "train/cat/.hidden.png": b"no picture",
}


def write_folder(root: Path, files=FILES) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files=FILES, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return path


def write_tar(path: Path, files=FILES, prefix: str = "") -> Path:
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as archive:
        for name, content in reversed(files.items()):
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def check(data: genbench.Data) -> None:
    assert data.task == genbench.Task("classification", (3, 5, 6), 2)
    assert data.train.targets.tolist() == [0, 1, 1]
    assert data.train.inputs[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert data.test.targets.tolist() == [1]


def test_folder_zip_and_tar_hold_the_same_data(tmp_path):
    sources = [
        write_folder(tmp_path / "folder"),
        write_zip(tmp_path / "set.zip", prefix="photos/"),
        write_tar(tmp_path / "set.tar"),
        write_tar(tmp_path / "set.tar.xz", prefix="./"),
        write_tar(tmp_path / "set.tar.gz", prefix="../../"),
    ]
    found = [images(source) for source in sources]
    for data in found:
        check(data)
    assert len({data.checksum for data in found}) == 1


def test_two_archives_one_archive_and_a_collection_in_a_folder(tmp_path):
    for split in ("train", "test"):
        part = {name: content for name, content in FILES.items() if name.startswith(split)}
        (tmp_path / "two").mkdir(exist_ok=True)
        write_zip(tmp_path / "two" / f"{split}.zip", part)
    check(images(tmp_path / "two"))
    (tmp_path / "one").mkdir()
    write_zip(tmp_path / "one" / "photos.zip")
    check(images(tmp_path / "one"))
    check(images(tmp_path, collection="one/photos.zip"))
    with pytest.raises(genbench.InvalidInput, match="lies outside"):
        images(tmp_path / "one", collection="../two")


def test_gray_pictures_have_one_channel_unless_others_are_coloured(tmp_path):
    files = {f"{split}/a/{i}.png": png(9, mode="L") for split in ("train", "test") for i in range(2)}
    assert images(write_folder(tmp_path / "gray", files)).train.inputs.shape == (2, 1, 5, 6)
    files["test/a/9.png"] = png(9)
    assert images(write_folder(tmp_path / "mixed", files)).train.inputs.shape == (2, 3, 5, 6)


def test_sizes_must_agree_or_be_set(tmp_path):
    root = write_folder(tmp_path, {**FILES, "train/cat/5.png": png(50, (8, 8))})
    with pytest.raises(genbench.InvalidInput, match=r"differ in size .*5\.png is 8 x 8.*set size"):
        images(root)
    data = images(root, size=4)
    assert data.train.inputs.shape == (4, 3, 4, 4)
    assert data.train.inputs[:, 0, 0, 0].tolist() == [30, 10, 20, 50]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"train/a/1.png": png(1)}, "no pictures test/CLASS"),
        ({"train/1.png": png(1), "test/a/1.png": png(1)}, "no pictures train/CLASS"),
        ({"train/a/1.png": png(1), "test/b/1.png": png(1)}, "class 'b' is in test but not in train"),
        ({"train/a/1.png": png(1)[:40], "test/a/1.png": png(1)}, "cannot decode train/a/1.png"),
    ],
)
def test_what_is_missing_or_damaged_is_named(tmp_path, files, complaint):
    with pytest.raises(genbench.InvalidInput, match=complaint):
        images(write_zip(tmp_path / "set.zip", files))


@pytest.mark.parametrize("name", ["set.zip", "set.tar.xz", "set.tar.gz"])
def test_damaged_archive_is_named(tmp_path, name):
    whole = write_zip(tmp_path / name) if name.endswith("zip") else write_tar(tmp_path / name)
    whole.write_bytes(whole.read_bytes()[:-60])
    with pytest.raises(genbench.InvalidInput, match=f"cannot read .*{name}"):
        images(whole)


def test_no_pictures_at_all(tmp_path):
    for root, complaint in ((tmp_path, "neither a folder"), (None, "--data"), (tmp_path / "x", "neither")):
        with pytest.raises(genbench.InvalidInput, match=complaint):
            images(root)
    for component in (cifar10_jpeg, cifar10_jpeg_small):
        for root in (None, tmp_path):
            with pytest.raises(genbench.InvalidInput, match=r"put train\.tar\.xz and test\.tar\.xz"):
                component(root)


@pytest.mark.parametrize("below", ["", "cifar10-jpeg-small"])
def test_small_part_of_the_real_jpeg_files(shared_data, below, listing):
    before = listing(shared_data / "cifar10-jpeg-small")
    data = cifar10_jpeg_small(shared_data / below)
    assert data.train.inputs.shape == (2000, 3, 32, 32)
    assert data.test.targets.bincount().tolist() == [100] * 10
    assert listing(shared_data / "cifar10-jpeg-small") == before
    same = images(shared_data, collection="cifar10-jpeg-small")
    assert np.array_equal(same.train.inputs, data.train.inputs)


def test_other_pictures_are_not_taken_for_cifar10(shared_data, tmp_path):
    with pytest.raises(genbench.InvalidInput, match="3000 pictures that are not those of cifar10-jpeg"):
        cifar10_jpeg(shared_data / "cifar10-jpeg-small")
    with pytest.raises(genbench.InvalidInput, match="hold 4 pictures that are not"):
        cifar10_jpeg_small(write_folder(tmp_path))


@pytest.mark.slow
def test_whole_real_jpeg_files(shared_data):
    data = cifar10_jpeg(shared_data)
    assert data.train.inputs.shape == (50_000, 3, 32, 32)
    assert data.test.targets.bincount().tolist() == [1000] * 10
    mean = data.train.inputs.double().mean((0, 2, 3)) / 255
    assert np.allclose(mean, (0.4913, 0.4821, 0.4465), atol=2e-4)


def test_checksum_covers_names_and_bytes():
    picture = pictures.Picture("train", "a", "1.png", b"x")
    renamed = pictures.Picture("train", "b", "1.png", b"x")
    changed = pictures.Picture("train", "a", "1.png", b"y")
    assert len({pictures.checksum([each]) for each in (picture, renamed, changed)}) == 3
