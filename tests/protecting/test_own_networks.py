"""Each form in which an owner hands over a network is built as it is meant, or refused in one sentence."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.protecting import deriving, inspecting, networks, transformers_folder
from fingerprinting.protecting.description import Network
from fingerprinting.protecting.examples import IMAGES, TEXTS, Found
from nlp.data import encode
from nlp.domain import DOMAIN as TEXT
from tests.protecting.conftest import images

CPU = torch.device("cpu")


def found(channels: int = 3) -> Found:
    held = images(120, channels)
    inputs = torch.from_numpy(held["x"]).permute(0, 3, 1, 2).contiguous()
    return Found(IMAGES, inputs, torch.from_numpy(held["y"]), ("a", "b", "c"), [], "")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "net.onnx",
            "can be run and not trained; give SOURCE=net.onnx, and MODEL=module:function, which builds such",
        ),
        ("https://api.example/net", "can be run and not trained"),
        ("net.pth", "holds weights and no network; give MODEL=module:function"),
        ("net.safetensors", "holds weights and no network"),
        ("resnet18", "is neither module:function, torchvision:name nor a folder of transformers"),
    ],
)
def test_what_builds_no_network_is_refused(model, said):
    with pytest.raises(UserError, match=said):
        networks.absolute(model)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("absent:build", "MODEL=absent:build needs absent, which is not there"),
        ("mine:absent", "MODEL=mine:absent names no function of mine"),
        ("mine:odd", "MODEL=mine:odd asks for 'secret', which is unknown; let the function take classes and shape"),
        ("mine:nothing", "MODEL=mine:nothing makes a NoneType; it must make a torch.nn.Module"),
        ("torchvision:resnet17", "torchvision has no classifier 'resnet17'"),
    ],
)
def test_functions_that_make_no_network_are_refused(mine, model, said):
    with pytest.raises(UserError, match=said):
        networks.built(Network(model=model, modules=str(mine)), IMAGES, 3, (3, 8, 8))


def test_a_module_that_is_no_python_is_named(mine):
    (mine / "broken.py").write_text("def build(:\n")
    with pytest.raises(UserError, match="broken.py, line 1, is no Python"):
        networks.built(Network(model="broken:build", modules=str(mine)), IMAGES, 3, (3, 8, 8))


def test_inputs_are_scaled_as_the_network_takes_them(mine):
    plain = Network(model="mine:linear", modules=str(mine))
    meant = Network(model="mine:linear", modules=str(mine), scale=255.0, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    one, other = (networks.built(network, IMAGES, 3, (3, 4, 4)) for network in (plain, meant))
    other.load_state_dict(one.state_dict())
    inputs = torch.rand(2, 3, 4, 4)
    prepared = (255 * inputs - torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)) / torch.tensor([4.0, 5.0, 6.0]).view(
        3, 1, 1
    )
    assert torch.allclose(one(prepared), other(inputs), atol=1e-4)


def test_grey_images_become_three_channels_for_a_network_that_takes_no_others(mine):
    grey = found(channels=1)
    assert not inspecting.coloured(Network(model="mine:build", modules=str(mine)), grey).colour
    network = inspecting.coloured(Network(model="mine:colour", modules=str(mine)), grey)
    assert network.colour and networks.built(network, IMAGES, 3, (1, 8, 8))(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def trained(mine, held: Found, inputs: torch.Tensor, labels: torch.Tensor):
    """Weights of mine:build that were trained on those inputs, with its function."""
    module = networks.function(str(mine), "mine:train", "TRAIN")
    model = networks.built(Network(model="mine:build", modules=str(mine)), IMAGES, 3, (3, 8, 8))
    save_file(module(model, inputs, labels, 0).state_dict(), mine / "net.safetensors")
    return mine / "net.safetensors"


def test_weights_that_want_other_inputs_or_another_order_of_classes_are_said_to(mine):
    held, network = found(), Network(model="mine:build", modules=str(mine))
    wide = trained(mine, held, held.inputs.float(), held.labels)
    with pytest.raises(UserError, match="examples as inputs are, and on .* with SCALE=255; give SCALE=255, or SCALE=1"):
        inspecting.check_weights(network, held, wide, False, CPU)
    as_it_is = trained(mine, held, held.inputs / 255, held.labels)
    assert inspecting.check_weights(network, held, as_it_is, False, CPU).endswith("of 120 examples of all parts")
    turned = trained(mine, held, held.inputs / 255, (held.labels + 1) % 3)
    with pytest.raises(UserError, match="with its classes in another order; give CLASSES=c,a,b if that is"):
        inspecting.check_weights(network, held, turned, True, CPU)


def test_a_base_gives_what_fits_and_too_little_is_refused(mine):
    network = Network(model="mine:build", modules=str(mine))
    state = networks.built(network, IMAGES, 7, (3, 8, 8)).state_dict()
    save_file(state, mine / "base.safetensors")
    with_base = Network(model="mine:build", modules=str(mine), base=str(mine / "base.safetensors"))
    assert inspecting.started(with_base, found()) == "BASE gives all weights but 4.weight, 4.bias"
    save_file({"other": torch.zeros(3)}, mine / "base.safetensors")
    with pytest.raises(UserError, match="fits 0 of 9 weights of the network, too few to start from"):
        inspecting.started(with_base, found())


def test_a_text_network_is_perturbed_where_its_first_embedding_is(mine):
    model = networks.built(Network(model="mine:Words", modules=str(mine)), TEXTS, 2, (16,))
    inputs = encode(["one film", "another"], 16)
    start, forward = TEXT.inputs.continuous(model, inputs)
    assert start.shape == (2, 16, 8) and torch.allclose(forward(torch.cat([start, start])), model(inputs).repeat(2, 1))
    bags = networks.built(Network(model="mine:Bags", modules=str(mine), prepare="mine:ids"), TEXTS, 2, (16,))
    assert bags(inputs).shape == (2, 2)
    with pytest.raises(UserError, match="no nn.Embedding makes what a perturbation could be added to"):
        TEXT.inputs.continuous(bags, inputs)
    with pytest.raises(UserError, match="evolving texts needs to know which row of its embedding"):
        TEXT.inputs.evolve(model, inputs, torch.ones(2, dtype=torch.bool), Evolution(1, 1.0, 1.0, 1.0, 1, 1))


WORDS = ["good", "great", "fine", "bad", "poor", "sad", "the", "a", "film", "it", "was", "so", "very", "not"]


@pytest.fixture
def folder(tmp_path):
    """A tiny BERT with random weights, as save_pretrained() writes it."""
    transformers = pytest.importorskip("transformers")
    path = tmp_path / "hf"
    path.mkdir()
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    transformers.BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(path)
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = transformers.BertConfig(
        vocab_size=5 + len(WORDS), max_position_embeddings=32, id2label={0: "one", 1: "five"}, **sizes
    )
    transformers.BertForSequenceClassification(config).save_pretrained(path)
    return path


def with_weights(folder, kind: str, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """What the folder holds, built and filled as protect.py does it."""
    network, kept = deriving.weights_of(
        Network(model=str(folder)),
        Found(kind, torch.zeros(1, *shape), torch.zeros(1), ("x",) * classes, [], ""),
        "",
        folder,
    )
    return inspecting.filled(networks.built(network, kind, classes, shape), kept).eval()


def texts() -> Found:
    inputs = encode(["a good film", "so bad", "it was poor", "very fine"], 16)
    return Found(TEXTS, inputs, torch.tensor([0, 1, 1, 0]), ("five", "one"), [], "")


def test_a_folder_of_transformers_brings_tokenizer_weights_and_classes(folder):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    network = Network(model=str(folder))
    held = inspecting.ordered(texts(), network, ())
    assert held.classes == ("one", "five") and held.labels.tolist() == [1, 0, 0, 1]
    model = with_weights(folder, TEXTS, 2, (16,))
    tokens = AutoTokenizer.from_pretrained(folder)(["a good film", "so bad"], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**tokens).logits
        assert torch.allclose(model(held.inputs[:2]), expected, atol=1e-5)
    with pytest.raises(UserError, match="classifies into 2 classes, and the data have 3"):
        networks.built(network, TEXTS, 3, (16,))
    with pytest.raises(UserError, match="has the classes one, five, the data bad, good; give CLASSES="):
        inspecting.ordered(Found(TEXTS, held.inputs, held.labels, ("bad", "good"), [], ""), network, ())


def test_a_folder_prepares_its_inputs_itself(folder):
    given = {"model": str(folder)}
    deriving.check_prepared(Network(model=str(folder)), IMAGES, given)
    with pytest.raises(UserError, match="SCALE= does not reach MODEL=.*, which takes inputs by its own tokenizer or"):
        deriving.check_prepared(Network(model=str(folder), scale=255.0), IMAGES, given)


def test_a_folder_of_transformers_that_asks_for_more_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())

    def said(change: dict, words: str) -> None:
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=words):
            networks.built(Network(model=str(folder)), TEXTS, 2, (16,))

    said({"auto_map": {"AutoModel": "evil.Model"}}, r"asks for code of its own \(auto_map\), which is never run")
    said({"quantization_config": {}}, "is of quantised weights, which cannot be trained")
    said({"model_type": "unheard"}, "cannot be built by transformers")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="config.json is no JSON object, or too large; get the folder again"):
        transformers_folder.check(folder)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="which here take texts and images"):
        networks.built(Network(model=str(folder)), "bci", 2, (2, 128))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds no safetensors; save the model by"):
        networks.built(Network(model=str(folder)), TEXTS, 2, (16,))
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="holds no config.json of transformers"):
        networks.built(Network(model=str(folder)), TEXTS, 2, (16,))


def test_a_folder_with_an_image_processor_is_fed_by_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=3, **sizes)
    theirs = transformers.ViTForImageClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(
        size={"height": 16, "width": 16}, image_mean=[0.4] * 3, image_std=[0.2] * 3
    )
    processor.save_pretrained(tmp_path)
    assert transformers_folder.side(tmp_path) == 16
    model = with_weights(tmp_path, IMAGES, 3, (3, 16, 16))
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(model(images), theirs((images - 0.4) / 0.2).logits, atol=1e-4)
