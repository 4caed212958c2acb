"""Data: loaders, splits, preprocessing, augmentation, sequences, text, tasks made from a key."""

from fnnets.data.augmentation import affine, augment, nudge, rotate, scale, shift, translate
from fnnets.data.digits import digits
from fnnets.data.idx import read_idx
from fnnets.data.mnist import Mnist, mnist
from fnnets.data.preprocessing import Standardisation, Whitening, standardisation, whitening
from fnnets.data.reber import embedded_reber, legal_next, reber_strings
from fnnets.data.scenes import Scenes, crops, scenes
from fnnets.data.sequences import bucket, digits_as_pixels, digits_as_rows, pad, unpad
from fnnets.data.sources import Source, memory_map, stream
from fnnets.data.splits import bootstrap, bootstraps, k_fold, split
from fnnets.data.tasks import adding, copying, copying_baseline, long_lag, temporal_order
from fnnets.data.text import Vocabulary, one_hot, python_topics, segments, shakespeare, streams, vocabulary
from fnnets.data.weighting import class_weights
from fnnets.storage.errors import DataError, DataNotFoundError

__all__ = [
    "DataError",
    "DataNotFoundError",
    "Mnist",
    "Scenes",
    "Source",
    "Standardisation",
    "Vocabulary",
    "Whitening",
    "adding",
    "affine",
    "augment",
    "bootstrap",
    "bootstraps",
    "bucket",
    "class_weights",
    "copying",
    "copying_baseline",
    "crops",
    "digits",
    "digits_as_pixels",
    "digits_as_rows",
    "embedded_reber",
    "k_fold",
    "legal_next",
    "long_lag",
    "memory_map",
    "mnist",
    "nudge",
    "one_hot",
    "pad",
    "python_topics",
    "read_idx",
    "reber_strings",
    "rotate",
    "scale",
    "scenes",
    "segments",
    "shakespeare",
    "shift",
    "split",
    "standardisation",
    "stream",
    "streams",
    "temporal_order",
    "translate",
    "unpad",
    "vocabulary",
    "whitening",
]
