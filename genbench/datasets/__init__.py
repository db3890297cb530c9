"""The built-in data sets, a source per file: what turns a user's files, or a formula, into two splits.

`digits`, `polynomial` and `noisy-zeros` need no files; `mnist`, `fashion-mnist`, `cifar10`, `cifar100` and
`svhn` are read from the user's folder or downloaded; `images` and `cifar10-jpeg` read pictures sorted into
folders. `crops` and `sequences` hold views of these: the centres of pictures, and digits as sequences.

Beside the components stand the parts that they share: `remote` (finding published files, downloading those
that are missing), `pictures` (folders and archives of them), `decoding` (many at once) and `content`
(checksums). What a component returns is stored by `genbench.fitting.prepared`, so that it is called once per
machine and not once per fit.
"""

from genbench.datasets import cifar, crops, digits, images, mnist, noisy_zeros, polynomial, sequences, svhn

__all__ = ["cifar", "crops", "digits", "images", "mnist", "noisy_zeros", "polynomial", "sequences", "svhn"]
