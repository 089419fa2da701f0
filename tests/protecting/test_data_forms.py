"""Each form in which an owner hands over data is read as it is meant, or refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fingerprinting.core.errors import UserError
from fingerprinting.protecting import arrays, examples, pictures, signals, tables
from fingerprinting.protecting.examples import IMAGES, SIGNALS, Found, checked, in_order
from nlp.data import decode


def pixels(side: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, side, np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Two class folders of ten colour images each."""
    folder = tmp_path / "photos"
    for place, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(pixels((6, 8, 3), 10 * place + number)).save(folder / name / f"{number}.png")
    return folder


def test_images_in_class_folders_are_read_as_they_are(photos):
    found = checked(pictures.in_folders(photos, 0), photos)
    assert (found.kind, found.classes, found.labels.tolist()) == (IMAGES, ("cat", "dog"), [0] * 10 + [1] * 10)
    assert found.inputs.dtype == torch.uint8 and found.inputs.shape == (20, 3, 6, 8)
    assert torch.equal(found.inputs[0], torch.from_numpy(pixels((6, 8, 3), 0).transpose(2, 0, 1)))
    assert found.names[11] == "dog/1.png" and found.said == "images of 6 x 8, in colour, stored as 0 to 255"


def test_grey_images_have_one_channel_unless_one_is_in_colour(photos):
    for path in photos.rglob("*.png"):
        Image.fromarray(pixels((6, 8))).save(path)
    assert pictures.in_folders(photos, 0).inputs.shape == (20, 1, 6, 8)
    Image.fromarray(pixels((6, 8, 3))).save(photos / "cat" / "0.png")
    assert pictures.in_folders(photos, 0).inputs.shape == (20, 3, 6, 8)


def test_images_of_several_sizes_are_scaled_to_the_size_that_is_given(photos):
    Image.fromarray(pixels((12, 9, 3))).save(photos / "cat" / "0.png")
    with pytest.raises(UserError, match="holds images of 2 sizes, 6 x 8 to 12 x 9; give SIZE="):
        pictures.in_folders(photos, 0)
    found = pictures.in_folders(photos, 5)
    assert found.inputs.shape == (20, 3, 5, 5) and "scaled and cropped to 5 x 5" in found.said
    with pytest.raises(UserError, match="images of 2 x 2 are too small"):
        pictures.in_folders(photos, 2)


def test_hidden_files_and_folders_hold_no_images(photos):
    (photos / "cat" / ".cache").mkdir()
    for path in (photos / "cat" / "._0.png", photos / "cat" / ".cache" / "0.png"):
        path.write_bytes(b"no image")
    assert len(pictures.in_folders(photos, 0).labels) == 20


def test_an_image_that_cannot_be_read_is_named(photos):
    path = photos / "dog" / "3.png"
    whole = path.read_bytes()
    for content in (b"no image", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="3.png cannot be read as an image"):
            pictures.in_folders(photos, 0)
    Image.fromarray(pixels((6, 8)).astype(np.uint16) * 200).save(path)
    with pytest.raises(UserError, match="has more than 8 bits a pixel"):
        pictures.in_folders(photos, 0)


def test_folders_that_hold_no_classes_are_refused(photos, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="holds images and no class folders"):
        pictures.in_folders(photos / "cat", 0)
    (tmp_path / "parts" / "train").mkdir(parents=True)
    (tmp_path / "parts" / "test").mkdir()
    with pytest.raises(UserError, match="holds test, train, which are parts and no classes; give DATA="):
        pictures.in_folders(tmp_path / "parts", 0)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="none holds no images"):
        pictures.in_folders(tmp_path / "none", 0)
    (photos / "emu").mkdir()
    with pytest.raises(UserError, match="has folders without images, emu"):
        pictures.in_folders(photos, 0)
    (photos / "emu").rmdir()
    monkeypatch.setattr(pictures, "LARGEST", 100)
    with pytest.raises(UserError, match="would take .* GB of memory, where .* are the most; give a smaller SIZE="):
        pictures.in_folders(photos, 0)


def found_of(counts: list[int]) -> Found:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Found(IMAGES, labels[:, None], labels, tuple("abcdefgh"[: len(counts)]), [], "")


def test_one_class_many_classes_and_few_examples_are_refused(tmp_path, monkeypatch):
    assert checked(found_of([10, 12]), tmp_path)
    with pytest.raises(UserError, match="holds one class, a; a classifier needs two"):
        checked(found_of([20]), tmp_path)
    with pytest.raises(UserError, match="has fewer than 10 examples of b; the data are cut into five parts"):
        checked(found_of([20, 9]), tmp_path)
    monkeypatch.setattr(examples, "MOST_CLASSES", 2)
    with pytest.raises(UserError, match="has 3 classes, where 2 are the most; check its labels"):
        checked(found_of([10, 10, 10]), tmp_path)


def test_classes_come_in_the_order_of_the_networks_outputs():
    found = in_order(found_of([1, 2, 3]), ("c", "a", "b"))
    assert found.classes == ("c", "a", "b") and found.labels.tolist() == [1, 2, 2, 0, 0, 0]
    with pytest.raises(UserError, match="CLASSES= names a, b, which are not the data's classes; give CLASSES=c,a,b"):
        in_order(found, ("a", "b"))
    with_commas = replace(found, classes=("a", "b, old", "c"))
    with pytest.raises(UserError, match="""give "CLASSES=\\('a', 'b, old', 'c'\\)", in the order"""):
        in_order(with_commas, ("a", "b", "old", "c"))


def written(tmp_path, text: str, name: str = "texts.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_texts_and_labels_are_two_columns(tmp_path):
    path = written(
        tmp_path, "id,Text,label\n1,good film,10\n2,bad film,2\n3,good film,10\n4,,2\n5,odd,2\n6,odd,10\n7,so so,2\n"
    )
    found = tables.read(path, "", "", 0)
    assert decode(found.inputs) == ["good film", "bad film", "so so"]
    assert found.classes == ("2", "10") and found.labels.tolist() == [1, 0, 0]  # numbers in their order
    assert found.said.endswith("4 rows repeat others, lack a text or a class, or have several, and are left out")
    assert decode(tables.read(path, "Text", "label", 4).inputs)[0] == "good"


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("a,b\nx,y\n", ("", ""), "has no one column that is surely TEXT=; give TEXT= one of a, b"),
        ("text,b\nx,y\n", ("text", "kind"), "has no column 'kind'; give LABEL= one of text, b"),
        ("", ("", ""), "give TEXT= one of none: it is empty"),
        ("text,label\nx\n", ("", ""), "row 2 of .* has other columns than its header of 2; mend that row"),
        ('text,label\n"x,y\n', ("", ""), "is no CSV: .* .is a quote left open"),
        ("text,label,label\nx,y,z\n", ("", ""), "has two columns called 'label'; rename one of them"),
        ("text;label\nx;y\n", ("", ""), "has columns between semicolons, text;label; save it with commas"),
        ("text,label\n,y\n", ("", ""), "has no row with a text and a class of its own; check TEXT=text LABEL=label"),
        ("text,label\na,1\nb,2\nc,3\n", ("", ""), "LABEL=label of .* has 3 values in 3 rows, which are no classes"),
    ],
)
def test_a_table_of_another_content_is_refused(tmp_path, text, columns, said):
    with pytest.raises(UserError, match=said):
        tables.read(written(tmp_path, text), *columns, 0)


def test_a_column_without_a_name_is_never_meant(tmp_path):
    found = tables.read(written(tmp_path, ",text,label\n0,good,a\n1,bad,b\n2,so so,a\n"), "", "", 0)
    assert decode(found.inputs) == ["good", "bad", "so so"] and found.classes == ("a", "b")
    with pytest.raises(UserError, match="has no one column that is surely TEXT=; give TEXT= one of , b"):
        tables.read(written(tmp_path, ",b\n0,good\n"), "", "", 0)


def test_classes_that_are_numbers_stay_as_they_are_written():
    labels, classes = examples.numbered(np.array(["10", "01", "1 ", "2", "1"]))
    assert classes == ("01", "1", "2", "10") and labels.tolist() == [3, 0, 1, 2, 1]
    assert examples.numbered(np.array(["9" * 20, "1"]))[1] == ("1", "9" * 20)


def test_a_table_of_another_encoding_or_far_too_large_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "texts.csv"
    path.write_bytes("text,label\nx,y\n".encode("utf-16"))
    with pytest.raises(UserError, match="is no text in UTF-8; save it as one"):
        tables.read(path, "", "", 0)
    monkeypatch.setattr(tables, "LARGEST", 10)
    with pytest.raises(UserError, match="give fewer rows"):
        tables.read(path, "", "", 0)


def test_parquet_needs_its_extra(tmp_path):
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(UserError, match=r"is read by pyarrow, which is not there; run pip install .*\[tables\]"):
            tables.read(written(tmp_path, "PAR1", "texts.parquet"), "", "", 0)
    else:
        with pytest.raises(UserError, match="cannot be read as parquet"):
            tables.read(written(tmp_path, "PAR1", "texts.parquet"), "", "", 0)


def saved(tmp_path, **members):
    np.savez(tmp_path / "data.npz", **members)
    return tmp_path / "data.npz"


@pytest.mark.parametrize(
    ("x", "shape", "dtype", "said"),
    [
        (pixels((4, 6, 5, 3)), (4, 3, 6, 5), torch.uint8, "in colour, stored as 0 to 255"),
        (pixels((4, 1, 6, 5)), (4, 1, 6, 5), torch.uint8, "grey, stored as 0 to 255"),
        (pixels((4, 6, 5)), (4, 1, 6, 5), torch.uint8, "grey, stored as 0 to 255"),
        (pixels((4, 6, 5, 3)) / 255, (4, 3, 6, 5), torch.float32, "stored as [0, 1]"),
        (pixels((4, 6, 5, 3)).astype(np.float32), (4, 3, 6, 5), torch.uint8, "stored as 0 to 255"),
    ],
)
def test_arrays_of_images_are_read_whatever_their_layout_and_scale(tmp_path, x, shape, dtype, said):
    found = arrays.read(saved(tmp_path, x=x, y=np.array([3, 5, 3, 5])), "", 0.0)
    assert found.inputs.shape == shape and found.inputs.dtype == dtype and said in found.said
    assert found.classes == ("3", "5") and found.labels.tolist() == [0, 1, 0, 1]


FOUR = np.arange(4)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (dict(a=FOUR), "holds a; save it with numpy.savez"),
        (dict(x=pixels((4, 6, 5, 3)), y=FOUR[:3]), "has 4 inputs in x and 3 labels in y"),
        (dict(x=pixels((4, 6, 5, 3)), y=np.eye(4)), "y of .* is float64 of shape .4, 4.; give one number or name"),
        (dict(x=pixels((4, 6, 5, 3)), y=FOUR / 2), "y of .* is float64 of shape .4,.; give one number or name"),
        (dict(x=pixels((4, 6, 5, 3)).astype(str), y=FOUR), "x of .* is <U3; give numbers"),
        (dict(x=np.full((4, 6, 5, 3), np.nan), y=FOUR), "x of .* holds NaN or infinity"),
        (
            dict(x=np.full((4, 6, 5, 3), -0.5), y=FOUR),
            "has images from -0.5 to -0.5 as float64; store them as whole numbers from 0 to 255",
        ),
        (dict(x=pixels((4, 6, 5, 2)), y=FOUR), "has images of shape .6, 5, 2.; one grey or three colour channels"),
        (dict(x=np.random.default_rng(0).normal(size=(4, 7)), y=FOUR), "x of .* has shape .4, 7.; images have"),
        (
            dict(x=np.random.default_rng(0).normal(size=(4, 2, 99)), y=FOUR),
            "holds signals and no sampling rate; give RATE=",
        ),
        (dict(x=np.float32(3), y=FOUR), "x of .* has shape .., which is no example"),
        (dict(x=pixels((0, 6, 5, 3)), y=FOUR[:0]), "x of .* has shape .0, 6, 5, 3., which is no example"),
        (dict(x=np.array([{}, {}]), y=FOUR[:2]), "holds Python objects, which are not opened"),
    ],
)
def test_arrays_of_another_content_are_refused(tmp_path, members, said):
    with pytest.raises(UserError, match=said):
        arrays.read(saved(tmp_path, **members), "", 0.0)


def test_no_archive_and_one_that_is_far_too_large_are_refused(tmp_path, monkeypatch):
    (tmp_path / "no.npz").write_bytes(b"PK no archive")
    with pytest.raises(UserError, match="is damaged or no archive of arrays"):
        arrays.read(tmp_path / "no.npz", "", 0.0)
    monkeypatch.setattr(arrays, "LARGEST", 10)
    with pytest.raises(UserError, match="GB of memory, where .* are the most; give fewer examples"):
        arrays.read(saved(tmp_path, x=FOUR, y=FOUR), "", 0.0)


def eeg(trials: int = 6, samples: int = 128, scale: float = 20.0) -> np.ndarray:
    return scale * np.random.default_rng(0).normal(size=(trials, 2, samples))


def test_arrays_of_eeg_are_microvolt_at_a_rate_that_is_given(tmp_path):
    found = arrays.read(saved(tmp_path, x=eeg(), y=np.arange(6) % 2), "", 250.0)
    assert (found.kind, found.rate, found.inputs.dtype) == (SIGNALS, 250.0, torch.float32)
    assert found.said == "trials of 0.51 s at 250 Hz, 2 channels, microvolt"
    assert signals.as_usual(found).inputs.shape == (6, 2, 66)
    with pytest.raises(UserError, match="this looks like volt, so multiply it by 1e.06"):
        arrays.read(saved(tmp_path, x=eeg(scale=2e-5), y=np.arange(6) % 2), "eeg", 250.0)
    with pytest.raises(UserError, match="has trials of 40 samples; 64 are the least"):
        arrays.read(saved(tmp_path, x=eeg(samples=40), y=np.arange(6) % 2), "", 250.0)
    with pytest.raises(UserError, match="RATE=99.5 is no whole number"):
        signals.as_usual(arrays.read(saved(tmp_path, x=eeg(), y=np.arange(6) % 2), "", 99.5))


def test_epochs_of_mne_bring_labels_names_and_rate(tmp_path):
    mne = pytest.importorskip("mne")
    info = mne.create_info(["C3", "C4", "stim"], 160.0, ["eeg", "eeg", "stim"])
    values = np.concatenate([1e-6 * eeg(), np.zeros((6, 1, 128))], 1)
    events = np.c_[np.arange(6) * 200, np.zeros(6, int), 7 - np.arange(6) % 2]
    path = tmp_path / "trials-epo.fif"
    mne.EpochsArray(values, info, events, event_id={"left": 7, "right": 6}, verbose="error").save(path, verbose="error")
    found = signals.epochs(path)
    assert (found.classes, found.labels.tolist()) == (("left", "right"), [0, 1, 0, 1, 0, 1])
    assert (found.channels, found.rate, tuple(found.inputs.shape)) == (("C3", "C4"), 160.0, (6, 2, 128))
    assert np.allclose(found.inputs.numpy(), eeg(), rtol=1e-4, atol=1e-3)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read as mne's epochs"):
        signals.epochs(path)


def test_a_rate_says_that_an_array_holds_signals(tmp_path):
    small = saved(tmp_path, x=np.clip(np.abs(eeg()) / 50, 0, 1), y=np.arange(6) % 2)
    assert arrays.read(small, "", 0.0).kind == IMAGES
    assert arrays.read(small, "", 250.0).kind == SIGNALS
    with pytest.raises(UserError, match="RATE= is for signals, and x of .* are something else; leave it out, or give"):
        arrays.read(small, "images", 250.0)
