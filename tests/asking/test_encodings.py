"""What a query becomes on its way to a suspect, and what of it arrives."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fingerprinting.asking.encodings import are_images, encoding, of_png, png
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Inputs
from nlp import data
from nlp.domain import DOMAIN as TEXTS

IMAGES = Inputs((0.0, 1.0))


@given(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_an_image_of_8_bits_arrives_as_it_was_and_any_other_rounded(channels, height, width, seed):
    draw = np.random.default_rng(seed)
    stored = draw.integers(0, 256, (2, channels, height, width)).astype(np.float32) / 255
    own = encoding("png", IMAGES, stored.shape[1:])
    assert (own.back(stored) == stored).all()
    finer = draw.random(stored.shape, np.float32)
    assert np.abs(own.back(finer) - finer).max() <= 0.5 / 255 + 1e-6
    for content, one in zip(own.all_of(stored), stored, strict=True):
        read = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        assert (read[..., :channels].transpose(2, 0, 1) == np.rint(255 * one)).all()


def test_numbers_beyond_the_range_are_cut():
    assert of_png(png(np.array([[[-1.0, 2.0]]]))).tolist() == [[[0.0, 1.0]]]


@given(st.lists(st.text(max_size=9), min_size=1, max_size=3))
def test_a_text_arrives_as_its_domain_reads_it_again(texts):
    inputs = data.encode(texts)
    own = encoding("text", TEXTS.inputs, inputs.shape[1:])
    sent = own.all_of(inputs.numpy())
    assert all("\n" not in text for text in sent)
    assert (own.back(inputs.numpy()) == data.encode(sent).numpy()).all()


def test_bytes_are_the_numbers_one_after_another():
    one = np.array([[1, 2], [3, 258]], np.int32).T
    own = encoding("bytes", IMAGES, one.shape)
    assert own.one_of(one) == bytes([1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0])
    assert (np.frombuffer(own.one_of(one), "<i4").reshape(2, 2) == one).all()


def test_a_text_that_nothing_reads_again_arrives_as_nobody_knows():
    assert encoding("text", Inputs(None, describe=lambda one: "text"), (4,)).back is None


@pytest.mark.parametrize(
    ("name", "inputs", "shape", "said"),
    [
        ("png", Inputs((0.0, 1.0)), (2, 8, 8), r"ENCODING=png is for images in .0, 1. of 1 or 3 channels, and these"),
        ("png", Inputs((-100.0, 100.0)), (1, 8, 8), "ENCODING=png is for images in"),
        ("png", Inputs(None), (64,), "ENCODING=png is for images in"),
        ("text", IMAGES, (1, 8, 8), "ENCODING=text is for inputs that are read, which DOMAIN.inputs.describe makes"),
        ("gif", IMAGES, (1, 8, 8), "unknown ENCODING=gif; take array, png, bytes, text"),
    ],
)
def test_an_encoding_that_inputs_cannot_have_is_refused(name, inputs, shape, said):
    with pytest.raises(UserError, match=said):
        encoding(name, inputs, shape)


def test_images_are_what_a_png_can_hold():
    assert are_images(IMAGES, (3, 8, 8)) and not are_images(IMAGES, (8, 8)) and not are_images(Inputs(None), (1, 8, 8))
    assert torch.is_tensor(TEXTS.inputs.encode(["a"]))
