"""Vision: its data sets, architectures per tier and the constants that all of its steps share."""

from fingerprinting.study.domain import Data, Domain, Inputs, Networks, Size
from fingerprinting.study.later import later

# Of all models that are trained from scratch, but for the source; adversarial training, of whatever model, has the last
# two. Scripts import them; in a domain of your own, those that it has hold in place of these.
EPOCHS = dict(smoke=4, quick=2, cpu=3, paper=100)  # passes
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 8 / 255  # adversarial perturbation, infinity norm, pixels in [0, 1]
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

DOMAIN = Domain(
    name="cv",
    data=Data(
        load=later("cv.data:load"),
        prepare=later("cv.data:prepare"),
        datasets=dict(smoke="fashion_mnist", quick="fashion_mnist", cpu="fashion_mnist", paper="cifar10"),
        targets=dict(fashion_mnist="mnist_5k", cifar10="cifar10_c", cifar100="cifar10", digits="digits_corrupted"),
        pool_size=dict(smoke=2_500, quick=16_000, cpu=50_000, paper=None),
        published=later("cv.data:PUBLISHED"),
        sizes=dict(
            fashion_mnist=Size(60_000, 10_000, (1, 28, 28), 10),
            mnist_5k=Size(4_000, 1_000, (1, 28, 28), 10),
            cifar10=Size(50_000, 10_000, (3, 32, 32), 10),
            cifar10_c=Size(8_000, 2_000, (3, 32, 32), 10),
            cifar100=Size(50_000, 10_000, (3, 32, 32), 100),
            digits=Size(953, 245, (1, 8, 8), 10),
            digits_corrupted=Size(474, 125, (1, 8, 8), 10),
        ),
    ),
    networks=Networks(
        architectures=later("cv.models:ARCHITECTURES"),
        source=dict(smoke="conv3", quick="conv3", cpu="conv3", paper="vgg16_bn"),
        students=dict(
            smoke=("mlp", "separable"),
            quick=("mlp", "lenet", "separable"),
            cpu=("mlp", "lenet", "separable", "residual"),
            paper=("vgg13", "resnet18", "densenet121", "mobilenet_v2"),
        ),
    ),
    inputs=Inputs(
        input_range=(0.0, 1.0),
        augment=later("cv.inputs:shifted_and_flipped"),
        mix=later("cv.inputs:cutmix"),
        show=later("cv.inputs:show"),
    ),
    constants=dict(
        BATCH_SIZE=dict(smoke=32, quick=128, cpu=128, paper=128),  # examples per update
        WEIGHT_DECAY=0.01,  # decoupled (AdamW)
        MIN_UPDATES=dict(smoke=60, quick=120, cpu=150, paper=0),  # small data sets are passed more often
        AUGMENT=dict(smoke=False, quick=False, cpu=False, paper=True),  # of training examples, by the domain's augment=
    ),
)
