"""Where examples come from: loaders, splits, preprocessing, augmentation."""

from fnnets.data.augmentation import affine, augment, nudge, rotate, scale, shift, translate
from fnnets.data.digits import digits
from fnnets.data.errors import DataError, DataNotFoundError
from fnnets.data.idx import read_idx
from fnnets.data.mnist import Mnist, mnist
from fnnets.data.preprocessing import Standardisation, Whitening, standardisation, whitening
from fnnets.data.scenes import Scenes, crops, scenes
from fnnets.data.splits import bootstrap, k_fold, split

__all__ = [
    "DataError",
    "DataNotFoundError",
    "Mnist",
    "Scenes",
    "Standardisation",
    "Whitening",
    "affine",
    "augment",
    "bootstrap",
    "crops",
    "digits",
    "k_fold",
    "mnist",
    "nudge",
    "read_idx",
    "rotate",
    "scale",
    "scenes",
    "shift",
    "split",
    "standardisation",
    "translate",
    "whitening",
]
