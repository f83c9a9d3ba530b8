"""FEAR-XS by its published recipe, for LaSOT, COCO, YouTube-BB, GOT-10k and ImageNet VID.

    siamjax train experiments/fear_xs.py --data DIR --output runs/fear_xs

The published training starts from an FBNet-C that knows images; here the trunk starts as that of the published tracker,
whose BatchNorm is folded into its convolutions, and the head from random parameters with BatchNorm. `fear_finetune.py`
goes on from the whole published net.

Departures: Adam's rate falls from epoch to epoch by equal factors, where the published one halves whenever the overlap
on the validation videos has not risen for 10 epochs, and ends after 20 such epochs or 150 in all; the two frames are at
most 70 apart throughout (published: 70 up to epoch 15, then 2 more an epoch up to 150); the object's size varies by the
stretch alone (published: by the context of the crop as well, 2.5 to 5.5 at twice the pixels); colours change by
brightness and contrast of each crop (published: many kinds of noise and blur, those of colour alike in both); boxes are
not cut to the crop.
The paper adds an embedding loss and a second exemplar: nobody published weights with them.
"""

from siamjax.data import AugmentConfig, DataConfig, Jitter
from siamjax.nets import PixelwiseHead
from siamjax.training import Experiment, InsideRule, OptimConfig, PointObjective
from siamjax.weights import ZOO

published = ZOO["fear_xs"].tracker
augment = AugmentConfig(
    exemplar_size=128, search_size=256, exemplar=Jitter(shift=0, stretch=0, brightness=25, contrast=0.2),
    search=Jitter(shift=48, stretch=0.35, per_axis=True, brightness=25, contrast=0.2), grey=0.05)

config = Experiment(
    name="fear_xs", batch_size=128, epochs=150, steps_per_epoch=1_170_000 // 128,
    net=published.net.clone(head=PixelwiseHead()), tracker=published.config,
    objective=PointObjective(assign=InsideRule(), box_loss="iou"),
    data=DataConfig(patch_size=511, squeezed=True, exemplar_size=128, context=0.2, search_scale=0.56, max_gap=70,
                    image_share=0.1, min_side=1, min_area=1, max_side=1e5, min_fraction=0.0, max_fraction=1.0,
                    max_aspect=1e5),
    augment=augment, optim=OptimConfig(rule="adam", peak_lr=1.4e-4, final_lr=1e-6, reach_final=True, weight_decay=0.0),
    init_from="fear_xs", init_parts=(("backbone", "backbone"),))
