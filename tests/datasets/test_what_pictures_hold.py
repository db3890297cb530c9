"""What a picture was saved as, and what lies beside it, makes no difference; what is left out is counted."""

import io
import os
import re
import tarfile
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from running import command

import genbench
from genbench.base.errors import Remark
from genbench.datasets.images import images
from genbench.datasets.pictures import Picture, decode

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"})]  # fmt: skip


def saved(image, form="PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def decoded(content: bytes, **options) -> np.ndarray:
    """One picture of a data set, shape (channels, height, width)."""
    pictures = [Picture(split, "a", "1", content) for split in ("train", "test")]
    return decode(pictures, "images", **options).train.inputs[0].numpy()


def remarked(function, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    assert all(issubclass(each.category, Remark) for each in caught)
    return result, [str(each.message) for each in caught]


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def grid(classes=("a", "b"), ending="png", content=None):
    content = content or saved(Image.new("RGB", (4, 3), (9, 8, 7)))
    return {f"{s}/{c}/{i}.{ending}": content for s in ("train", "test") for c in classes for i in range(2)}


@settings(max_examples=30, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, (*shape, 3))), st.sampled_from(LOSSLESS))
def test_colours_are_the_same_in_every_lossless_format(pixels, form):
    found = decoded(saved(Image.fromarray(pixels), form[0], **form[1]))
    assert np.array_equal(found, pixels.transpose(2, 0, 1))


@settings(max_examples=30, deadline=None)
@given(
    SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape)),
    st.sampled_from(["PNG", "BMP", "TIFF", "PPM", "GIF", "LA", "P", "16 bits"]),
)
def test_gray_is_the_same_in_every_lossless_format(pixels, form):
    image = Image.fromarray(pixels)
    if form == "16 bits":
        content = saved(Image.fromarray(pixels.astype(np.uint16) * 257))
    elif form == "P":
        content = saved(image.convert("RGB").quantize(256, dither=Image.Dither.NONE))
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[:, :, 0]
    else:
        content = saved(image.convert("LA")) if form == "LA" else saved(image, form)
    assert np.array_equal(decoded(content), pixels[None])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, (*shape, 3))), st.sampled_from(["PNG", "TIFF", "WEBP"]))  # fmt: skip
def test_pictures_stand_upright_however_the_camera_was_held(orientation, upright, form):
    turn = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x), 7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }[orientation]  # fmt: skip
    tag = Image.Exif()
    tag[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    content = saved(Image.fromarray(np.ascontiguousarray(turn(upright))), form, exif=tag, **options)
    found, said = remarked(decoded, content)
    assert np.array_equal(found, upright.transpose(2, 0, 1))
    assert [line for line in said if "turned upright" in line] == said
    assert len(said) == (orientation != 1)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_and_counted(form):
    ramp = (np.arange(64).reshape(8, 8) * 1040).astype(np.uint16)
    found, said = remarked(decoded, saved(Image.fromarray(ramp), form))
    assert np.array_equal(found[0], ramp // 257)
    assert (
        said == ["dataset 'images': pictures of 16 bits, scaled to 8: 2 (test/a/1, train/a/1)"]
        or form == "PPM"
    )
    assert "16 bits" in said[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (saved(Image.fromarray(np.zeros((3, 3), np.float32)), "TIFF"), "floating-point numbers"),
        (saved(Image.fromarray(np.zeros((3, 3), np.int32)), "TIFF"), "unknown range"),
        (saved(Image.new("RGB", (64, 64), 5), "JPEG")[:-40], "cannot decode train/a/1"),
        (saved(Image.new("RGB", (64, 64), 5))[:60], "cannot decode train/a/1"),
        (b"", "cannot decode train/a/1"),
        (b"<html>not found</html>", "cannot decode train/a/1"),
    ],
)  # fmt: skip
def test_what_has_no_known_scale_or_is_cut_short_is_refused(content, complaint):
    with pytest.raises(genbench.InvalidInput, match=complaint) as caught:
        decoded(content)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_what_is_changed_on_the_way_is_said():
    frames = [Image.new("RGB", (4, 4), (each, 0, 0)) for each in (10, 200)]
    clear = Image.new("RGBA", (4, 4), (30, 20, 10, 0))
    for content, value, words in [
        (saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), [10, 0, 0], "first one taken"),
        (saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]), [10, 0, 0], "first one taken"),
        (saved(clear), [30, 20, 10], "as if opaque"),
        (saved(Image.new("CMYK", (4, 4), (255, 0, 0, 0)), "TIFF"), [0, 255, 255], "converted from CMYK"),
    ]:
        found, said = remarked(decoded, content)
        assert found[:, 0, 0].tolist() == value
        assert len(said) == 1
        assert words in said[0]
    _, said = remarked(decoded, saved(Image.new("RGBA", (4, 4), (1, 2, 3, 255))))
    assert said == []


BESIDE = [
    ("train/.ipynb_checkpoints/0-checkpoint.png", "hidden"), ("train/a/.ipynb_checkpoints/0.png", "hidden"),
    ("train/a/.DS_Store", "hidden"), ("test/a/._0.png", "hidden"), ("train/.git/objects/x.png", "hidden"),
    ("train/__MACOSX/a/0.png", "hidden"), ("train/a/Thumbs.db", "no pictures"),
    ("train/a/photo.heic", "no pictures"), ("train/labels.csv", "beside the folders"),
    ("train/cover.png", "beside the folders"),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(BESIDE), min_size=1), st.sampled_from(["folder", "zip", "tar"]))
def test_what_lies_beside_the_pictures_changes_nothing_and_is_counted(tmp_path_factory, beside, form):
    root = tmp_path_factory.mktemp("set")
    files = {**grid(), **dict.fromkeys((name for name, _ in beside), b"\x00 no picture")}
    clean = images(write(root / "clean", grid()))
    place = write(root / "folder", files)
    if form == "zip":
        place = root / "set.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif form == "tar":
        place = root / "set.tar"
        with tarfile.open(place, "w") as archive:
            archive.add(root / "folder", "photos")
    found, said = remarked(images, place)
    assert (found.checksum, found.task) == (clean.checksum, clean.task)
    reasons = [why for _, why in beside]
    assert len(said) == len(set(reasons))
    for why in set(reasons):
        (line,) = [line for line in said if why in line]
        assert f": {reasons.count(why)} (" in line
    assert all(name in " ".join(said) for name, why in beside if reasons.count(why) <= 3)


@pytest.mark.parametrize("rename", ["{}.jfif", "{}", "{}.JPG", "{}.photo", "{}.jpe"])
def test_other_endings_are_known_by_what_the_file_holds(tmp_path, rename):
    content = saved(Image.new("RGB", (4, 4), 7), "JPEG")
    files = {rename.format(name[:-4]): content for name in grid()}
    found, said = remarked(images, write(tmp_path, files))
    assert found.train.targets.tolist() == [0, 0, 1, 1]
    assert said == []


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("left", ["photo.heic", ".hidden.png", None])
def test_a_class_left_without_a_picture_is_refused(tmp_path, split, left):
    root = write(tmp_path, grid())
    (root / split / "owl").mkdir()
    if left:
        (root / split / "owl" / left).write_bytes(b"anything")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(genbench.InvalidInput, match=f"no pictures in {split}/owl"):
            images(root)


def test_linked_folders_and_files_are_followed(tmp_path):
    real = write(tmp_path / "real", {"owls/1.png": grid()["train/a/0.png"], "one.png": b"x"})
    root = write(tmp_path / "set", grid())
    for split in ("train", "test"):
        (root / split / "owl").symlink_to(real / "owls", target_is_directory=True)
    (root / "train" / "a" / "more.png").symlink_to(real / "owls" / "1.png")
    found, said = remarked(images, root)
    assert said == []
    assert found.train.targets.tolist() == [0, 0, 0, 1, 1, 2]
    (root / "train" / "a" / "gone.png").symlink_to(real / "nothing.png")
    (root / "train" / "a" / "circle").symlink_to(root / "train", target_is_directory=True)
    again, said = remarked(images, root)
    assert again.checksum == found.checksum
    (line,) = said
    assert "links that lead nowhere or in a circle: 2 (" in line


@pytest.mark.parametrize("hard", [True, False])
def test_links_of_an_archive_stand_for_what_they_name(tmp_path, hard):
    root = write(tmp_path / "set", grid())
    if hard:
        os.link(root / "train/a/0.png", root / "train/a/9.png")
    else:
        (root / "train/a/9.png").symlink_to("0.png")
        (root / "train/c").symlink_to("b", target_is_directory=True)
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(root, "set")
    found, said = remarked(images, tmp_path / "set.tar")
    assert said == []
    assert found.checksum == images(root).checksum
    assert len(found.train) == (5 if hard else 7)


@pytest.mark.parametrize("label", ["café", "猫", "собака", "a b&c", "الف"])
def test_names_of_any_script_are_one_class_however_they_were_written(tmp_path, label):
    files = {unicodedata.normalize("NFC" if name.startswith("test") else "NFD", name): content for name, content in grid((label, "z")).items()}  # fmt: skip
    found = images(write(tmp_path / "set", files))
    assert found.task.outputs == 2
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    # As many programs write it: UTF-8, without the flag that says so.
    whole = (tmp_path / "set.zip").read_bytes()
    whole = re.sub(rb"(PK\x03\x04..)\x00\x08", lambda found: found[1] + b"\0\0", whole, flags=re.DOTALL)
    whole = re.sub(rb"(PK\x01\x02....)\x00\x08", lambda found: found[1] + b"\0\0", whole, flags=re.DOTALL)
    (tmp_path / "set.zip").write_bytes(whole)
    assert images(tmp_path / "set.zip").checksum == found.checksum


def test_two_pictures_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in {**grid(), "more/train/a/0.png": saved(Image.new("RGB", (4, 3)))}.items():
            archive.writestr(name, content)
    with pytest.raises(genbench.InvalidInput, match=r"train/a/0.png and more/train/a/0.png are both"):
        images(tmp_path / "set.zip")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    root = write(tmp_path, grid())
    try:
        (tmp_path / "train" / "a" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes no such name")
    with pytest.raises(genbench.InvalidInput, match="is not UTF-8"):
        images(root)


def test_the_command_line_says_what_was_left_out(tmp_path):
    write(tmp_path / "set", {**grid(), "train/a/notes.txt": b"x"})
    (tmp_path / "mine.toml").write_text(
        'title = "Mine"\ndataset = { name = "images" }\nmodel = { name = "mlp", width = [4, 8], depth = 1 }\n'
        'protocol = { name = "interpolate", max_epochs = 1 }\nseeds = 1\nmeasures = ["param_norm"]\n'
    )
    ended = command("plan", "--suite", tmp_path / "mine.toml", "--data", tmp_path / "set")
    assert "genbench: dataset 'images': files left out, no pictures: 1 (train/a/notes.txt)\n" in ended.err
    assert ended.code == 0
