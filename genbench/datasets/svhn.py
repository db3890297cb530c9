"""SVHN, cropped house-number digits, in the format of MATLAB."""

from __future__ import annotations

from pathlib import Path

import torch

import genbench
from genbench.datasets.remote import Publication, RemoteFile

__all__ = ["SVHN", "svhn"]

TASK = genbench.Task("classification", (3, 32, 32), 10)


def _file(name: str, md5: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, md5, (f"https://ufldl.stanford.edu/housenumbers/{name}",), sha256)


SVHN = Publication(
    "svhn",
    (
        _file(
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        _file(
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    ),
    folders=(".", "svhn", "SVHN"),
)


@genbench.dataset(
    checksum=SVHN.checksum,
    task=TASK,
    examples=73_257,
    test_examples=26_032,
    source="Netzer et al. 2011, Reading digits in natural images with unsupervised feature learning",
)
def svhn(root: Path | None) -> genbench.Data:
    """SVHN: 73,257 and 26,032 digits of house numbers, 32 x 32 pixels in colour, 10 classes."""
    paths = SVHN.fetch(root)
    train, test = (_read(paths[file.name]) for file in SVHN.files)
    return genbench.Data(train, test, TASK, SVHN.checksum)


def _read(path: Path) -> genbench.Split:
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        pixels = torch.from_numpy(content["X"]).permute(3, 2, 0, 1).contiguous()
        labels = torch.from_numpy(content["y"].astype("int64").ravel())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise genbench.InvalidInput(f"dataset 'svhn': cannot read {path}: {error}") from error
    # The file calls the digit 0 class 10.
    return genbench.Split(pixels, labels % 10)
