"""Protect a model: from network and data to a query set, by which judge.py recognises stolen copies.

    python protect.py MODEL=my_package.net:build WEIGHTS=my.safetensors DATA=photos/ # class folders
    python protect.py MODEL=hf_folder/ DATA=reviews.csv TEXT=text LABEL=label    # of transformers
    python protect.py MODEL=torchvision:resnet18 DATA=data.npz                   # x, y; trains one
    python protect.py MODEL=my_package.eeg:build WEIGHTS=my.safetensors DATA=trials-epo.fif
    python protect.py DATA=photos/                                               # no model yet

It says what it costs before it trains; a run that was stopped goes on (docs/your-model.md).
"""

from fingerprinting import cli

MODEL = ""  # module:function, torchvision:name, a folder of transformers; empty: one of ours
WEIGHTS = ""  # safetensors of the trained network; empty: it is trained here, or they lie in MODEL=
SOURCE = ""  # the trained model where it can only be asked: an ONNX file, an address
DATA = ""  # folder of class folders, .csv, .parquet, .npz or -epo.fif
TEXT = ""  # column of the texts
LABEL = ""  # column of the classes
KIND = ""  # images, text or eeg, where an array leaves it open
RATE = 0.0  # samples a second, of EEG in an array
SIZE = 0  # side to which images are scaled and cropped
LENGTH = 0  # characters kept of a text; 0: of the longest, 512 at most
CLASSES = ()  # names in the order of the network's outputs; empty: sorted, or the folder's own
SCALE = 1.0  # the network takes (SCALE * input - MEAN) / STD of images in [0, 1], EEG in microvolt
MEAN = (0.0,)  # of all channels, or of each
STD = (1.0,)  # the same
PREPARE = ""  # module:function from texts or inputs to what the network takes, such as a tokenizer
HEAD = ""  # path of the last linear layer; empty: found
PRUNABLE = ()  # paths of the layers that pruning masks; empty: found
TRAIN = ""  # module:function train(model, inputs, labels, seed) -> model: the source's recipe
BASE = ""  # safetensors of the pretrained network that training starts from
TWINS = ""  # folder of twins trained elsewhere, in safetensors
EPOCHS = 0  # passes of the source and its twins; 0: as usual
LEARNING_RATE = 0.0  # peak of the one-cycle schedule; 0: as usual
SPLIT_ONLY = False  # write parts.csv, the part of each example, and stop: nothing is trained yet
ALL_MINE = False  # whether no part of the data plays the attacker
TIME = ""  # how long training may take, such as 30m; empty: no limit
BUDGET = 500  # queries that a suspect may be asked
PROTECTED = "protected"  # folder for what is found out and the queries
TIER = "cpu"  # smoke, quick, cpu or paper: how much is trained
WORKERS = 0  # models trained side by side; 0: one per core
DEVICE = "auto"  # cpu, cuda or another of torch's
FORCE = False  # do again what is finished

if __name__ == "__main__":
    cli.run_alone("fingerprinting.protecting.command:protect", globals(), brief=True)
