"""Text: its data sets, architectures per tier and the constants that all of its steps share."""

from fingerprinting.study.domain import Data, Domain, Inputs, Networks, Size
from fingerprinting.study.later import later

# Of all models that are trained from scratch, but for the source; adversarial training, of whatever model, has the last
# two. Scripts import them; in a domain of your own, those that it has hold in place of these.
EPOCHS = dict(smoke=4, quick=2, cpu=2, paper=20)  # passes
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 0.015  # adversarial perturbation, infinity norm, of the embedded text
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

DOMAIN = Domain(
    name="nlp",
    data=Data(
        load=later("nlp.data:load"),
        prepare=later("nlp.data:prepare"),
        datasets=dict(smoke="thuocl", quick="thuocl", cpu="thuocl", paper="thucnews"),
        targets=dict(thuocl="shop_reviews", thucnews="online_shopping"),
        pool_size=dict(smoke=2_500, quick=20_000, cpu=60_000, paper=None),
        published=later("nlp.data:PUBLISHED"),
        sizes=dict(thucnews=Size(180_000, 10_000, (64,), 10, 10_000, "int64")),
        lexicons=("synonyms",),
    ),
    networks=Networks(
        architectures=later("nlp.models:ARCHITECTURES"),
        source=dict(smoke="textcnn_small", quick="textcnn_small", cpu="textcnn_small", paper="bert_base_chinese"),
        students=dict(
            smoke=("dpcnn_small", "textrnn_small"),
            quick=("dpcnn_small", "textrcnn_small", "bert_small"),
            cpu=("dpcnn_small", "textrcnn_small", "textrnn_small", "bert_small"),
            paper=("dpcnn", "textcnn", "textrcnn", "textrnn"),
        ),
    ),
    inputs=Inputs(
        input_range=None,
        continuous=later("nlp.models:continuous"),
        mix=later("nlp.inputs:spliced"),
        evolve=later("nlp.evolve:evolve"),
        mislead=later("nlp.evolve:mislead"),
        pieces=later("nlp.inputs:runs"),
        query_detector=later("nlp.language:query_detector"),
        describe=later("nlp.inputs:describe"),
        encode=later("nlp.data:encode"),
    ),
    constants=dict(
        BATCH_SIZE=dict(smoke=32, quick=128, cpu=128, paper=128),  # examples per update
        WEIGHT_DECAY=0.01,  # decoupled (AdamW)
        MIN_UPDATES=dict(smoke=60, quick=80, cpu=80, paper=0),  # small data sets are passed more often
        AUGMENT=False,  # of training examples, by the domain's augment=
    ),
)
