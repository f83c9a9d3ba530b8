"""An image and the edge sketch of the same object: two towers of their own, over three channels and over one.

    siamjax train experiments/image_sketch.py --data DIR --output runs/sketch
    siamjax train experiments/image_sketch.py --output runs/sketch                   # moving shapes

The sketch is of another frame of the video, or of the image augmented anew. The image's tower stands on the frozen
trunk of the package's SiamFC; the sketch's, a narrow MobileNetV2, starts from nothing.

400 steps took 5 minutes of two busy cores. ROC area on 1,024 pairs of the validation split with
scripts/verification.py, seeds 1, 2, 3: videos 0.893, 0.888, 0.905; images 0.931, 0.935, 0.931 (chance 0.5).
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter, wide
from siamjax.nets import (
    IMAGENET,
    V1,
    AlexNet,
    EmbedderConfig,
    EmbeddingHead,
    MobileNetV2,
    Norm,
    PseudoSiamese,
    Tower,
    View,
)
from siamjax.training import Experiment, NTXentObjective, OptimConfig

jitter = Jitter(shift=4, stretch=0.08)
augment = AugmentConfig(exemplar_size=95, search_size=95, exemplar=jitter, search=jitter, flip=0.5)
head = EmbeddingHead(64, norm=Norm())
sketch = MobileNetV2(width=0.25, used_layers=(5,), layout=IMAGENET)

config = Experiment(
    name="image_sketch", seed=1, batch_size=32, epochs=5, steps_per_epoch=80,
    net=PseudoSiamese(Tower(AlexNet(V1[:4]), head), Tower(sketch, head)),
    objective=NTXentObjective(temperature=0.1, within=False),
    embedder=EmbedderConfig(View(size=95), View("sketch", 95), distance="cosine"),
    data=wide(DataConfig(patch_size=127, max_gap=10)), augment=augment,
    optim=OptimConfig(peak_lr=0.1, final_lr=0.01, weight_decay=1e-4, clip_norm=1.0, frozen=("first/backbone",)),
    init_from="siamrpn_small", init_parts=(("backbone", "first/backbone"),), checkpoint_every=100,
    log_every=10)
