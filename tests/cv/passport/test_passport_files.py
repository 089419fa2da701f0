"""Passport files and configurations: what is taken as it was saved, and what is refused with one sentence."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cv.domain import DOMAIN
from cv.passport import passports, protected_study, training
from cv.passport.layers import convolutions
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples
from fingerprinting.study import checkpoints
from tests.cv.passport.small_passports import ABOUT, CONFIG, made, net

# Files.


def test_a_passport_file_gives_back_what_was_saved(tmp_path):
    plain = net()
    held = made(plain)
    protected = passports.install(copy.deepcopy(plain), held, public=True)
    shown = training.trigger_images(protected_study.ProtectedStudy("cv", "digits", "smoke"), 5)
    held = passports.Passports(**{**vars(held), "statistics": passports.statistics(protected), "triggers": shown})
    passports.save(tmp_path / "passports.safetensors", held)
    again = passports.load(tmp_path / "passports.safetensors")
    for part in ("gamma", "beta", "signs"):
        assert all(torch.equal(value, getattr(again, part)[path]) for path, value in getattr(held, part).items())
    assert again.texts == {"1.3": "", "1.6": "my model"}
    assert set(again.statistics) == {"1.3", "1.6"}
    assert torch.equal(again.triggers.inputs, shown.inputs)
    assert not torch.equal(held.gamma["1.3"], held.beta["1.3"])


def test_wrong_and_damaged_passport_files_are_said(tmp_path):
    path = tmp_path / "passports.safetensors"
    passports.save(path, made(net()))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        passports.load(path)
    changed = bytearray(whole)
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(UserError, match="damaged"):
        passports.load(path)
    checkpoints.save(path, net(), {"architecture": "conv3"})
    with pytest.raises(UserError, match="holds no passports"):
        passports.load(path)
    tensors = {"gamma/1.3": torch.zeros(1, 16, 4, 4)}
    storage.save_tensors(path, tensors, {**ABOUT, "passport_texts": {"1.3": ""}})
    with pytest.raises(UserError, match="two passports and a signature"):
        passports.load(path)


@pytest.mark.parametrize(
    ("part", "spoilt"),
    [
        ("gamma", lambda value: value * torch.nan),
        ("beta", lambda value: value.flatten()),
        ("gamma", lambda value: value[:0]),
        ("beta", lambda value: value[:, :, :0]),
        ("signs", lambda value: value * 0),
        ("signs", lambda value: value[None]),
    ],
)
def test_values_that_no_passport_has_are_refused(tmp_path, part, spoilt):
    held = made(net())
    path = next(iter(held.gamma))
    getattr(held, part)[path] = spoilt(getattr(held, part)[path])
    passports.save(tmp_path / "passports.safetensors", held)
    with pytest.raises(UserError, match="holds values that no passport or signature has"):
        passports.load(tmp_path / "passports.safetensors")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda found: {"statistics": {"1.3": {"running_var": torch.tensor([1.0, torch.nan])}}},
        lambda found: {"triggers": Examples(found.inputs, found.targets[:7])},
        lambda found: {"triggers": Examples(found.inputs[0], found.targets)},
        lambda found: {"triggers": Examples(found.inputs, found.targets - 1)},
        lambda found: {"triggers": Examples(found.inputs, found.targets.float())},
    ],
    ids=["NaN in statistics", "too few labels", "one image", "negative labels", "labels that are no whole numbers"],
)
def test_statistics_and_triggers_that_nobody_made_are_refused(tmp_path, spoilt):
    shown = Examples(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), torch.arange(10))
    path = tmp_path / "passports.safetensors"
    passports.save(path, replace(made(net()), **spoilt(shown)))
    with pytest.raises(UserError, match="holds values that no passport or signature has"):
        passports.load(path)


def test_a_signature_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"1.3": "\\ud800"}')
    with pytest.raises(UserError, match="signs 1.3 with half of a surrogate pair"):
        passports.read_config(str(path), "conv3")


# Configurations.


def test_configurations_name_layers_that_are_there():
    for path in passports.CONFIGS.glob("*.json"):
        for suffix in ("", "_gn"):
            known = convolutions(DOMAIN.architecture(path.stem + suffix).build(10, (1, 28, 28)))
            assert set(passports.read_config("", path.stem + suffix)) <= set(known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[true]", "false, true or a text"),
        ('{"1.3": 7}', "false, true or a text"),
        ('{"9.9": true}', "no layer 9.9"),
        ('{"1.3": false}', "names no layer"),
        ('{"1.3": "five letters"}', "4 of its 12 characters would fit"),
    ],
)
def test_configurations_that_make_no_sense(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        made(net(), passports.read_config(str(path), "conv3"))


def test_a_missing_configuration_is_said(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        passports.read_config(str(tmp_path / "none.json"), "conv3")


def test_configs_are_packed_with_the_package():
    assert json.loads((passports.CONFIGS / "conv3.json").read_text())["1.6"] == "my model"


# Whatever the bytes.

WORDS = st.one_of(st.text(max_size=8), st.sampled_from(["1.3", "1.6"]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=5,
)
CONFIGS = st.dictionaries(WORDS, st.one_of(st.booleans(), st.text(max_size=8)), max_size=4)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=60),
        VALUES.map(lambda value: json.dumps(value).encode()),
        CONFIGS.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
        CONFIGS.map(lambda value: json.dumps(value, indent=1).encode("utf-8-sig")),
    )
)
def test_a_configuration_is_what_json_says_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_bytes(content)
    try:
        found = passports.read_config(str(path), "conv3")
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal).replace(str(path), "")
    else:
        said = json.loads(content.decode("utf-8-sig"))
        assert found == {passports.DEEPIPR_LAYERS.get(name, name): value for name, value in said.items()}
        assert all(isinstance(value, (bool, str)) for value in found.values())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "is no JSON"),
        (b'{"1.3": ' * 50_000, "is no JSON"),
        (b'{"1.3": true', "is no JSON"),
        (b"\xff\xfe{\x00}\x00", "is no JSON"),
        (b'{"1.3": NaN}', "must give false, true or a text"),
        (b'{"1.3": 1e999}', "must give false, true or a text"),
        (b'{"1.3": {"0": true}}', "must give false, true or a text"),
        (b'{"layer4": {"0": true}}', "must give false, true or a text"),
        (b'{"layer4": {"0": {"convbn_2": {}}}}', "must give false, true or a text"),
        (b'{"1.3": true, "1.6": false, "1.3": false}', "names '1.3' twice"),
        (b'{"1.0": true, "0": false}', "names '1.0' twice"),
        (b" " * (passports.LARGEST_CONFIG + 1), "larger than any passport configuration"),
    ],
    ids=[
        "deep",
        "deep objects",
        "cut",
        "UTF-16",
        "NaN",
        "infinite",
        "nested",
        "a block alone",
        "too deep",
        "twice",
        "by two names",
        "large",
    ],
)
def test_configurations_that_are_damaged(tmp_path, content, said):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        passports.read_config(str(path), "conv3")


BLOCK, LAST = ("conv1", "conv2", "downsample.0"), ("1.layer4.1.conv1", "1.layer4.1.conv2")


def deepiprs_resnet(blocks: int) -> dict:
    """As in DeepIPR's files for ResNet9 (one block a stage) and ResNet18 (two): passports in the last stage alone."""
    config: dict = {"convbnrelu_1": False}
    for stage in range(1, 5):
        config[f"layer{stage}"] = {}
        for place in range(blocks):
            names = ["convbnrelu_1", "convbn_2", *(["shortcut"] if stage > 1 and not place else [])]
            config[f"layer{stage}"][str(place)] = dict.fromkeys(names, stage == 4)
    return config


@pytest.mark.parametrize(
    ("config", "architecture", "signed"),
    [
        ({"0": False, "2": False, "4": True, "5": True, "6": True}, "alexnet", ["1.8", "1.11", "1.14"]),
        (deepiprs_resnet(1), "small_resnet18", [f"1.layer4.0.{name}" for name in BLOCK]),
        (deepiprs_resnet(2), "resnet18", [*(f"1.layer4.0.{name}" for name in BLOCK), *LAST]),
    ],
    ids=["AlexNet", "ResNet9", "ResNet18"],
)
def test_deepiprs_own_configurations_are_read(tmp_path, config, architecture, signed):
    path = tmp_path / "deepipr.json"
    path.write_text(json.dumps(config))
    read = passports.read_config(str(path), architecture)
    plain = checkpoints.build(DOMAIN, architecture, 10, (3, 32, 32))
    signs = passports.signatures(plain, read, torch.Generator().manual_seed(0))
    assert list(signs) == signed
    assert set(read) <= set(convolutions(plain))


def test_a_text_in_deepiprs_configuration_is_the_layers_signature(tmp_path):
    path = tmp_path / "deepipr.json"
    path.write_text(json.dumps(deepiprs_resnet(2) | {"layer4": {"1": {"convbn_2": "this is mine"}}}))
    read = passports.read_config(str(path), "small_resnet18")
    assert read["1.layer4.1.conv2"] == "this is mine" and not any(read[name] for name in read if "layer4" not in name)


@pytest.mark.parametrize("name", ["x" * 5_000, '{"1.3": true, "1.6": "' + "my model " * 40 + '"}', "no\0where", "."])
def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there(name):
    with pytest.raises(UserError, match="does not exist"):
        passports.read_config(name, "conv3")


def test_a_configuration_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8-sig")
    assert passports.read_config(str(path), "conv3") == CONFIG


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "passports.safetensors"
    passports.save(path, made(net()))
    return path.read_bytes()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_passport_file_that_was_touched_anywhere_is_refused(tmp_path_factory, whole, data):
    """Cut, longer, or a byte changed: of the header, the metadata or the numbers."""
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    touched = data.draw(
        st.sampled_from([whole[:place], whole[:place] + bytes([byte]) + whole[place + 1 :], whole + bytes([byte])])
    )
    path = tmp_path_factory.getbasetemp() / "touched.safetensors"
    path.write_bytes(touched)
    with pytest.raises(UserError, match="damaged|not written by this project"):
        passports.load(path)


def rewritten(path, tensors=None, **about) -> None:
    """A file whose digests are right, by somebody who does not hold to what train.py writes."""
    held = made(net())
    passports.save(path, held)
    kept, metadata = storage.load_tensors(path)
    metadata = {name: value for name, value in (metadata | about).items() if value is not None}
    storage.save_tensors(path, kept | (tensors or {}), metadata)


@pytest.mark.parametrize(
    ("tensors", "about", "said"),
    [
        ({"weights/1.3": torch.zeros(3)}, {}, "holds 'weights/1.3', which is no part of a passport"),
        ({"gamma": torch.zeros(3)}, {}, "two passports and a signature"),
        ({"gamma/1.0": torch.zeros(1, 1, 8, 8)}, {}, "two passports and a signature"),
        ({}, {"passport_texts": ["1.3", "1.6"]}, "two passports and a signature"),
        ({}, {"passport_texts": "1.3"}, "two passports and a signature"),
        ({}, {"scheme": None}, "does not say of which network and scheme"),
        ({}, {"scheme": "v9"}, "does not say of which network and scheme"),
        ({}, {"model": None}, "does not say of which network and scheme"),
        ({}, {"architecture": 3}, "does not say of which network and scheme"),
        ({}, {"passport_texts": {"1.3": 7, "1.6": "my model"}}, "values that no passport or signature has"),
        ({}, {"passport_texts": {"1.3": "too long for a layer", "1.6": "my model"}}, "values that no passport"),
        ({}, {"passport_texts": {"1.3": "", "1.6": "my nodel"}}, "values that no passport or signature has"),
        ({}, {"passport_texts": {"1.3": "", "1.6": "\ud800"}}, "values that no passport or signature has"),
        ({"gamma/1.3": torch.zeros(1, 16, 4, 4, dtype=torch.long)}, {}, "values that no passport or signature has"),
        ({"gamma/1.3": torch.zeros(1, 16, 4, 4).half()}, {}, "values that no passport or signature has"),
        ({"signs/1.3": torch.ones(32, dtype=torch.bool)}, {}, "values that no passport or signature has"),
        ({"beta/1.3": torch.full((1, 16, 4, 4), torch.inf)}, {}, "values that no passport or signature has"),
        (
            {"triggers/inputs": torch.full((2, 1, 8, 8), torch.nan), "triggers/labels": torch.zeros(2).long()},
            {},
            "values that no passport or signature has",
        ),
        (
            {"triggers/inputs": torch.zeros(2, 1, 8, 8).short(), "triggers/labels": torch.zeros(2).long()},
            {},
            "values that no passport or signature has",
        ),
    ],
)
def test_what_no_passport_file_holds_is_refused(tmp_path, tensors, about, said):
    path = tmp_path / "passports.safetensors"
    rewritten(path, tensors, **about)
    with pytest.raises(UserError, match=said):
        passports.load(path)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 16, 0, 4)])
def test_passports_that_no_convolution_sees_are_refused(shape):
    held = made(net())
    held = replace(held, gamma={**held.gamma, "1.3": torch.zeros(shape)})
    with pytest.raises(UserError, match="with other layers than this model has"):
        passports.install(net(), held, public=True)


def test_a_passport_smaller_than_the_kernel_is_refused():
    convolution = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, bias=False), torch.nn.BatchNorm2d(8))
    few, enough = (torch.rand(1, 4, side, side) for side in (2, 3))
    about = dict(signs={"0": torch.ones(8)}, texts={"0": ""}, metadata=ABOUT)
    passports.install(copy.deepcopy(convolution), passports.Passports({"0": enough}, {"0": enough}, **about), False)
    with pytest.raises(UserError, match="with other layers than this model has"):
        passports.install(convolution, passports.Passports({"0": enough}, {"0": few}, **about), False)
