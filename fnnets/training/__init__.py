"""Training: minibatch descent in one jitted scan, early stopping, checkpoints, model selection."""

from fnnets.training.candidates import grid, log_uniform, sample, uniform
from fnnets.training.checkpoint.manager import Checkpoint
from fnnets.training.checkpoint.serialisation import CheckpointAheadError, CheckpointError
from fnnets.training.cross_validation import CrossValidation, Scores, cross_validate
from fnnets.training.distributed import processes
from fnnets.training.epoch import TrainingState, start
from fnnets.training.fit import Result, fit
from fnnets.training.many import ManyResult, fit_many
from fnnets.training.metrics import History, Metrics, evaluate
from fnnets.training.optimizers import momentum
from fnnets.training.pretraining import Pretrained, pretrain, rbm_stack
from fnnets.training.search import SearchResult, search

__all__ = [
    "Checkpoint",
    "CheckpointAheadError",
    "CheckpointError",
    "CrossValidation",
    "History",
    "ManyResult",
    "Metrics",
    "Pretrained",
    "Result",
    "Scores",
    "SearchResult",
    "TrainingState",
    "cross_validate",
    "evaluate",
    "fit",
    "fit_many",
    "grid",
    "log_uniform",
    "momentum",
    "pretrain",
    "processes",
    "rbm_stack",
    "sample",
    "search",
    "start",
    "uniform",
]
