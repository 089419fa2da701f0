"""EEG: its data sets, architectures per tier and the constants that all of its steps share."""

from fingerprinting.study.domain import Data, Domain, Inputs, Networks, Size
from fingerprinting.study.later import later

# Of all models that are trained from scratch, but for the source; adversarial training, of whatever model, has the last
# two. Scripts import them; in a domain of your own, those that it has hold in place of these.
# On eyes, whose trials are not few, they were chosen by a source's accuracy on dev and the reference part.
EPOCHS = dict(smoke=1, quick=1, cpu=dict(eyes=2, other=1), paper=50)  # passes; of few trials MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=dict(eyes=1e-2, other=2e-2), paper=1e-3)  # of the one-cycle, its peak
EPSILON = 2.0  # adversarial perturbation, infinity norm, microvolt
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

DOMAIN = Domain(
    name="bci",
    data=Data(
        load=later("bci.data:load"),
        prepare=later("bci.data:prepare"),
        datasets=dict(smoke="scp1", quick="scp1", cpu="scp1", paper="deap"),
        targets=dict(scp1="blink", eyes="blink_19", eegbci="blink_64", deap="mahnob", deap_subjects="mahnob_subjects"),
        pool_size=dict(smoke=200, quick=None, cpu=None, paper=None),
        published=later("bci.data:PUBLISHED"),
        # DEAP: 32 people, 40 trials of 60 windows; of ten trials one is test and one is dev.
        sizes=dict(deap=Size(61_440, 7_680, (32, 128), 2, 7_680, "float32")),
    ),
    networks=Networks(
        architectures=later("bci.models:ARCHITECTURES"),
        source=dict(smoke="ccnn_small", quick="ccnn_small", cpu="ccnn_small", paper="ccnn"),
        students=dict(
            smoke=("eegnet", "shallow"),
            quick=("eegnet", "shallow", "deep"),
            cpu=("eegnet", "shallow", "deep", "tsception"),
            paper=("eegnet", "shallow", "deep", "tsception"),
        ),
        source_of=dict(eyes="deep"),
    ),
    inputs=Inputs(
        input_range=later("bci.recordings:INPUT_RANGE"),
        augment=later("bci.inputs:shifted_and_noisy"),
        mix=later("bci.inputs:spliced"),
        evolve=later("bci.plausible:evolve"),
        query_detector=later("bci.inputs:query_detector"),
        show=later("bci.inputs:show"),
    ),
    constants=dict(
        BATCH_SIZE=dict(smoke=32, quick=32, cpu=dict(eyes=64, other=32), paper=128),  # examples per update
        # decoupled; strong, for few trials
        WEIGHT_DECAY=dict(smoke=1.0, quick=1.0, cpu=dict(eyes=0.01, other=1.0), paper=0.01),
        MIN_UPDATES=dict(smoke=30, quick=60, cpu=120, paper=0),  # few trials are passed more often
        AUGMENT=True,  # of training examples, by the domain's augment=
    ),
)
