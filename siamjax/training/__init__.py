"""Training: experiments, what they are made of, and the one loop."""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.ops.anchor_targets import AssignConfig
    from siamjax.ops.point_targets import EllipseRule, InsideRule
    from siamjax.training.crop_levels import CropLevels
    from siamjax.training.crop_mask_objective import CropMaskObjective
    from siamjax.training.embedding_objective import ContrastiveObjective, NTXentObjective, TripletObjective
    from siamjax.training.experiment import Experiment, load_experiment
    from siamjax.training.features import BackboneFeatures, Cached, Features
    from siamjax.training.freezing import Phase
    from siamjax.training.hosts import join
    from siamjax.training.mask_objective import MaskObjective
    from siamjax.training.mask_windows import MaskWindows, WindowObjective
    from siamjax.training.objectives import LogisticObjective, Objective
    from siamjax.training.optim import OptimConfig, epoch_rates, make_optimiser, make_schedule
    from siamjax.training.point_objective import PointObjective
    from siamjax.training.rpn_objective import RPNObjective
    from siamjax.training.run import check_checkpoints, train
    from siamjax.training.state import TrainState, new_state
    from siamjax.training.step import make_train_step

__all__ = ["AssignConfig", "BackboneFeatures", "Cached", "ContrastiveObjective", "CropLevels", "CropMaskObjective",
           "EllipseRule", "Experiment", "Features", "InsideRule", "LogisticObjective", "MaskObjective", "MaskWindows",
           "NTXentObjective", "Objective", "OptimConfig", "Phase", "PointObjective", "RPNObjective", "TrainState",
           "TripletObjective", "WindowObjective", "check_checkpoints", "epoch_rates", "join",
           "load_experiment", "make_optimiser", "make_schedule", "make_train_step", "new_state", "train"]

__getattr__, __dir__ = face(__name__)
