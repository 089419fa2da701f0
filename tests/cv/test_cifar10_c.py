"""CIFAR-10-C: which files are read and how, what is refused, and the making of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cv import corruptions, data
from fingerprinting.core.errors import UserError
from tests.cv.test_cv_data import channel_major, write_cifar10

# CIFAR-10-C


@pytest.fixture
def cifar10_c(data_dir) -> int:
    """Two corruptions of 50 base images. A pixel says which image it is; another which file and severity."""
    count, folder = 50, data_dir / "CIFAR-10-C"
    folder.mkdir()
    for file, name in enumerate(("fog", "snow")):
        rows = np.zeros((5 * count, 32, 32, 3), np.uint8)
        rows[:, 0, 0, 0] = np.tile(np.arange(count), 5)
        rows[:, 0, 0, 1] = np.repeat(np.arange(1, 6), count)
        rows[:, 0, 0, 2] = file
        np.save(folder / f"{name}.npy", rows)
    np.save(folder / "labels.npy", np.tile(np.arange(count) // 5, 5).astype(np.uint8))
    return count


def test_cifar10_c_gives_every_base_image_once_at_one_severity(cifar10_c):
    found = data.load("cifar10_c")
    images = torch.cat([found.pool.inputs, found.test.inputs])
    labels = torch.cat([found.pool.targets, found.test.targets])
    base, severity, file = images[:, :, 0, 0].T.long()
    assert images.shape[1:] == (3, 32, 32)
    assert sorted(base.tolist()) == list(range(cifar10_c))
    assert severity.unique().tolist() == [data.CORRUPTION_SEVERITY]
    assert torch.equal(file, base % 2), "the corruptions take turns"
    assert torch.equal(labels, base // 5)
    assert len(found.test) * 4 == len(found.pool)


@pytest.mark.parametrize("name", ["fog", "labels"])
@pytest.mark.parametrize("length", [0, 5, 60, 150, -1])
def test_a_truncated_cifar10_c_file_is_refused(cifar10_c, data_dir, name, length):
    path = data_dir / "CIFAR-10-C" / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=f"{name}.npy is damaged"):
        data.load("cifar10_c")


COUNT = 50
IMAGES = np.tile(np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8), (5, 1, 1, 1))
LABELS = np.tile(np.arange(COUNT) // 5, 5)


def write(data_dir: Path, labels=LABELS, **corruptions_) -> Path:
    folder = data_dir / "CIFAR-10-C"
    folder.mkdir(exist_ok=True)
    for name, array in {**corruptions_, "labels": labels}.items():
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.mark.parametrize(
    ("fog", "said"),
    [
        ((IMAGES / 255).astype("f4"), "float32 from 0 to 1, not uint8 .+ scaled to .0, 1.; save numpy.rint.255"),
        ((IMAGES / 127.5 - 1).astype(">f8"), ">f8 from -1 to 1, not uint8 .+ scaled to .-1, 1.; save"),
        ((IMAGES / 64.0 - 2), "float64 from -2 to 1.98438, not uint8 .+ images of another scale; undo"),
        (IMAGES.astype("i2") + 500, "int16 from 500 to 755, not uint8 .+ images of another scale"),
        (IMAGES.astype("i8"), "int64 from 0 to 255, not uint8 .+ images of another type; save"),
        (IMAGES.astype("f2"), "float16 from 0 to 255, not uint8 .+ images of another type; save"),
        (np.where(IMAGES > 9, IMAGES, np.nan), "float64 from nan to nan, not uint8 .+ no images; get the file again"),
        (IMAGES > 99, "bool from 0 to 1, not uint8 .+ black and white"),
        (IMAGES // 255, "uint8 from 0 to 1, not uint8 .+ black and white"),
        (IMAGES.astype("S3"), ".S3, not uint8 .+ no images"),
        (np.full(IMAGES.shape, b"ab"), ".S2, not uint8 .+ no images"),
        (np.zeros(IMAGES.shape, [("a", "f4")]), "..'a', '<f4'.., not uint8 .+ no images"),
        (IMAGES.astype("c8"), "complex64, not uint8 .+ no images"),
        (IMAGES.astype("M8[s]"), "datetime64.s., not uint8 .+ no images"),
        (IMAGES.view([("r", "u1"), ("g", "u1"), ("b", "u1")]), r"has shape \(250, 32, 32, 1\), not"),
        (IMAGES[:COUNT], r"has shape \(50, 32, 32, 3\), not \(250, 32, 32, 3\): five severities of the 50 images"),
        (IMAGES.transpose(0, 3, 1, 2), r"has shape \(250, 3, 32, 32\), not .+ colours last"),
        (IMAGES.reshape(-1, 3072), r"has shape \(250, 3072\)"),
        (IMAGES[..., 0], r"has shape \(250, 32, 32\)"),
        (IMAGES[np.random.default_rng(1).permutation(250)], "does not hold five severities of the same 50 images"),
        (np.roll(IMAGES[:COUNT], 1).repeat(5, axis=0), "does not hold five severities of the same 50 images"),
        (np.array([None, 1]), "holds Python objects, which are not opened; save it as an array of numbers"),
        (np.empty((0, 32, 32, 3), np.uint8), r"has shape \(0, 32, 32, 3\), not"),
        (np.uint8(3), r"has shape \(\), not"),
    ],
)  # fmt: skip
def test_an_array_of_another_layout_is_named(data_dir, fog, said):
    write(data_dir, fog=fog)
    with pytest.raises(UserError, match=f"fog.npy {said}|fog.npy holds {said}"):
        data.load("cifar10_c")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS.astype(float), r"the labels of .+labels.npy \(float64 of shape \(250,\)\) are not one whole number"),
        (LABELS[:, None], r"the labels of .+labels.npy \(int64 of shape \(250, 1\)\) are not one whole number"),
        (LABELS > 3, r"the labels of .+labels.npy \(bool of shape \(250,\)\) are not one whole number"),
        (LABELS.astype("U1"), "the labels of .+labels.npy .<U1 of shape"),
        (LABELS[:COUNT], "labels.npy holds 50 labels that are not the same ones five times.+ severity alone"),
        (LABELS[:-1], "labels.npy holds 249 labels that are not the same ones five times"),
        (np.sort(LABELS), "labels.npy holds 250 labels that are not the same ones five times"),
        (LABELS[:0], "labels.npy holds 0 labels"),
        (np.int64(3), r"the labels of .+labels.npy \(int64 of shape \(\)\)"),
        (LABELS + 1, "cifar10_c has labels from 1 to 10 for 10 classes"),
        (LABELS - 1, "cifar10_c has labels from -1 to 8 for 10 classes"),
        (LABELS.astype("u8") + 2**63, "cifar10_c has labels from -"),
        (LABELS.astype(object), "labels.npy holds Python objects"),
    ],
)  # fmt: skip
def test_labels_of_another_layout_are_named(data_dir, labels, said):
    write(data_dir, labels, fog=IMAGES)
    with pytest.raises(UserError, match=said):
        data.load("cifar10_c")


def test_one_severity_alone_is_refused_though_its_labels_repeat(data_dir):
    """100 images whose classes go round: five blocks of 20 have the same labels, but other images."""
    images = np.random.default_rng(2).integers(0, 256, (100, 32, 32, 3), np.uint8)
    write(data_dir, np.arange(100) % 10, fog=images)
    with pytest.raises(UserError, match="fog.npy does not hold five severities of the same 20 images"):
        data.load("cifar10_c")


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i8", ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_whole_labels_and_either_order_are_read_alike(data_dir, dtype, order):
    write(data_dir, LABELS.astype(dtype), fog=np.asarray(IMAGES, order=order), snow=IMAGES)
    found = data.load("cifar10_c")
    both = torch.cat([found.pool.inputs, found.test.inputs]).flatten(1)
    expected = torch.from_numpy(IMAGES[:COUNT].transpose(0, 3, 1, 2).copy()).flatten(1)
    assert sorted(map(bytes, both.numpy())) == sorted(map(bytes, expected.numpy()))


def test_an_archive_of_arrays_under_the_name_of_one_is_named(data_dir):
    folder = write(data_dir, fog=IMAGES)
    np.savez(folder / "fog.npz", fog=IMAGES)
    (folder / "fog.npz").replace(folder / "fog.npy")
    with pytest.raises(UserError, match=r"fog.npy is an archive of arrays \(npz\) under the name of one; save each"):
        data.load("cifar10_c")


def test_hidden_files_are_no_data_and_suffixes_are_read_in_any_case(data_dir):
    folder = write(data_dir, fog=IMAGES, snow=255 - IMAGES)
    before = data.load("cifar10_c")
    for name in ("._fog.npy", "._labels.npy", ".npy", ".DS_Store"):
        (folder / name).write_bytes(b"\0\5\x16\7" + bytes(4092))
    (folder / "README.txt").write_text("about these files")
    (folder / "snow.npy").rename(folder / "snow.NPY")
    (folder / "labels.npy").rename(folder / "labels.Npy")
    found = data.load("cifar10_c")
    assert torch.equal(found.pool.inputs, before.pool.inputs) and torch.equal(found.test.targets, before.test.targets)


@pytest.mark.parametrize("name", ["fog (1).npy", "fog.NPY", "fog copy.npy", "labels.NPY"])
def test_two_files_for_one_corruption_are_refused(data_dir, name):
    folder = write(data_dir, fog=IMAGES)
    (folder / name).write_bytes((folder / "fog.npy").read_bytes())
    with pytest.raises(UserError, match="looks like a second copy of a file; keep one .npy for each corruption"):
        data.load("cifar10_c")


@pytest.mark.parametrize("kept", ["fog", "labels"])
def test_what_is_there_of_the_published_files_is_not_written_over(data_dir, kept):
    """Today's labels without images, or images without labels: neither read nor replaced by what is made here."""
    write_cifar10(data_dir)
    folder = write(data_dir, fog=IMAGES)
    (folder / ("labels.npy" if kept == "fog" else "fog.npy")).unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    data.prepare("cifar10_c")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(UserError, match=f"CIFAR-10-C holds {kept} alone, .+ or move these files away and run python"):
        data.load("cifar10_c")


def test_a_making_that_is_stopped_leaves_nothing_behind(data_dir, monkeypatch):
    write_cifar10(data_dir)
    made = []

    def stopped(name, images, severity, seed):
        made.append(name)
        if len(made) == 20:
            raise KeyboardInterrupt
        return images

    with monkeypatch.context() as patch:
        patch.setattr(corruptions, "apply", stopped)
        with pytest.raises(KeyboardInterrupt):
            data.prepare("cifar10_c")
    assert not list((data_dir / "CIFAR-10-C").iterdir())
    data.prepare("cifar10_c")
    assert len(data.load("cifar10_c").pool) == 10


def test_cifar10_c_is_made_from_the_test_images(data_dir):
    test = write_cifar10(data_dir)["test_batch"]
    data.prepare("cifar10_c")
    for name in corruptions.CORRUPTIONS:
        stored = np.load(data_dir / "CIFAR-10-C" / f"{name}.npy")
        assert stored.shape == (100, 32, 32, 3) and stored.dtype == np.uint8
    blurred = corruptions.apply("gaussian_blur", channel_major(test).transpose(0, 2, 3, 1), severity=4, seed=0)
    assert np.array_equal(np.load(data_dir / "CIFAR-10-C" / "gaussian_blur.npy")[60:80], blurred)
    assert np.load(data_dir / "CIFAR-10-C" / "labels.npy").tolist() == test["labels"] * 5
    found = data.load("cifar10_c")
    assert len(found.pool) + len(found.test) == 20


def test_published_cifar10_c_files_are_kept(cifar10_c, data_dir):
    data.prepare("cifar10_c")
    assert sorted(path.stem for path in (data_dir / "CIFAR-10-C").iterdir()) == ["fog", "labels", "snow"]


# Corruptions


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Smooth coloured images with some texture, as photographs have: (N, 32, 32, 3) uint8."""
    draw = np.random.default_rng(1)
    coarse = np.kron(draw.uniform(0.1, 0.8, (8, 4, 4, 3)), np.ones((1, 8, 8, 1)))
    return np.rint((coarse + draw.normal(0, 0.03, coarse.shape)).clip(0, 1) * 255).astype(np.uint8)


def change(name: str, images: np.ndarray, severity: int) -> float:
    return np.abs(corruptions.apply(name, images, severity, seed=0).astype(float) - images).mean()


@pytest.mark.parametrize("name", sorted(corruptions.CORRUPTIONS))
def test_a_corruption_keeps_the_layout_and_grows_with_severity(photographs, name):
    corrupted = corruptions.apply(name, photographs, 3, seed=0)
    assert corrupted.shape == photographs.shape and corrupted.dtype == np.uint8
    assert np.array_equal(corrupted, corruptions.apply(name, photographs, 3, seed=0))
    assert 0 < change(name, photographs, 1) < change(name, photographs, 5) < 80


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_noise_depends_on_its_seed_and_on_nothing_else(photographs, name):
    first = corruptions.apply(name, photographs, 2, seed=0)
    np.random.rand(5)
    assert np.array_equal(first, corruptions.apply(name, photographs, 2, seed=0))
    assert not np.array_equal(first, corruptions.apply(name, photographs, 2, seed=1))


def test_strengths_are_those_that_were_published():
    grey = np.full((50, 32, 32, 3), 128, np.uint8)
    noise = corruptions.apply("gaussian_noise", grey, 5, seed=0) / 255 - 128 / 255
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    hit = corruptions.apply("impulse_noise", grey, 5, seed=0) != 128
    assert hit.mean() == pytest.approx(0.07, rel=0.05)
    assert (corruptions.apply("brightness", grey, 2, seed=0) == round(128 + 25.5)).all()
    edge = np.concatenate([grey[:, :16] - 100, grey[:, 16:] + 100], axis=1)
    assert set(np.unique(corruptions.apply("contrast", edge, 5, seed=0))) == {113, 143}
