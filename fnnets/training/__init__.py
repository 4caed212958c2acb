"""How parameters move: minibatch descent in one jitted scan, early stopping, model selection."""

from fnnets.training import processes
from fnnets.training.checkpoint import Checkpoint
from fnnets.training.cross_validation import CrossValidation, Scores, cross_validate
from fnnets.training.epoch import TrainingState, start
from fnnets.training.fit import Result, fit
from fnnets.training.history import History
from fnnets.training.many import ManyResult, fit_many
from fnnets.training.metrics import Metrics, evaluate
from fnnets.training.optimizers import momentum
from fnnets.training.pretraining import Pretrained, machines_for, pretrain
from fnnets.training.selection import SearchResult, grid, log_uniform, sample, search, uniform

__all__ = [
    "Checkpoint",
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
    "machines_for",
    "momentum",
    "pretrain",
    "processes",
    "sample",
    "search",
    "start",
    "uniform",
]
