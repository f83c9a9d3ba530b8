"""Is it the same object? One tower for both crops, on the trunk of the package's SiamFC.

    siamjax train experiments/verify_objects.py --data DIR --output runs/verify
    siamjax train experiments/verify_objects.py --output runs/verify                 # moving shapes

A pair is two frames of a video, or an image twice, each augmented by itself; half of the pairs show two objects. The
trunk stays as it is and the embedding, 64 numbers, is learned.
"""

from siamjax.data.augment import AugmentConfig, Jitter
from siamjax.data.config import DataConfig, wide
from siamjax.nets.alexnet import V1, AlexNet
from siamjax.nets.contrastive import EmbeddingHead, Siamese
from siamjax.nets.embedder import EmbedderConfig
from siamjax.nets.layers import Norm
from siamjax.training.embedding_objective import TripletObjective
from siamjax.training.experiment import Experiment
from siamjax.training.optim import OptimConfig

jitter = Jitter(shift=6, stretch=0.1, contrast=0.2, brightness=20)
augment = AugmentConfig(exemplar_size=127, search_size=127, exemplar=jitter, search=jitter, flip=0.5)

config = Experiment(
    name="verify_objects", seed=1, batch_size=32, epochs=5, steps_per_epoch=40,
    net=Siamese(AlexNet(V1[:4]), EmbeddingHead(128, norm=Norm())), objective=TripletObjective(margin=0.3),
    embedder=EmbedderConfig(),
    data=wide(DataConfig(patch_size=augment.reach, max_gap=100, image_share=0.3)), augment=augment,
    optim=OptimConfig(peak_lr=0.1, final_lr=0.01, weight_decay=1e-4, clip_norm=1.0, frozen=("backbone",)),
    init_from="siamfc", init_parts=(("backbone", "backbone"),), checkpoint_every=100, log_every=10)
