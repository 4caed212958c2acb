"""The cost of n-gram models with Witten-Bell smoothing on a text: the bar for networks.

    p_0(w)     = 1 / V
    p_k(w | h) = (c(h w) + t(h) p_{k−1}(w | h')) / (c(h) + t(h))        h: the k − 1 symbols before w
    p_k(w | h) = p_{k−1}(w | h')                                        where training never has h
    cost       = −1/n Σ_i log p_K(w_i | w_{i−K+1} … w_{i−1})

| symbol | name in code | shape |
|---|---|---|
| w | `test_codes`, each symbol in turn | (n,) |
| K | `order`, the predicted symbol included: 1 is the unigram, 2 the bigram | () |
| V | `size` | () |
| h' | h without its oldest symbol | |
| c(h w), c(h) | how often training holds h w; how often something follows h in it | |
| t(h) | how many different symbols follow h in training: the count of the escape to p_{k−1} | |

Tiny Shakespeare, first 90 % / last 10 %, nats a symbol: 3.347 for the unigram, 2.486 for the bigram, 1.774 with three
symbols of context, 1.669 with four, `order` 5: the figure known as that of a "4-gram" counts the context.
Source: [Witten1991], method C; interpolated as in [Chen1998].
"""

from __future__ import annotations

import numpy as np

from fnnets.core import validate


def ngram_cost(train_codes, test_codes, order: int, size: int) -> float:
    """The mean cost of a test text's symbols under an n-gram model counted in a training text.

    Args:
        train_codes: (m,) integers from 0 to size − 1, m ≥ order.
        test_codes: (n,) such integers; its first symbols are predicted from the shorter context that they have.
        order: K, symbols of an n-gram, the predicted one included; size**K must stay below 2**63.
        size: number of symbols; a symbol that training never shows still gets a share of 1/size.

    Returns:
        Nats a symbol.

    Raises:
        TypeError, ValueError: codes that are no integers (n,) or out of range, texts too short, an `order` too large.

    >>> round(float(np.exp(ngram_cost([0, 1, 0, 1], [0, 1, 1], 1, 2))), 6)
    2.0
    """
    size = validate.count(size, "ngram_cost: size", "give the number of symbols")
    order = validate.count(order, "ngram_cost: order", "1 is the unigram")
    if size**order >= 2**63:
        raise ValueError(f"ngram_cost: order is {order} with {size} symbols, expected size**order < 2**63; take less")
    train = _codes(train_codes, order, size, "ngram_cost: train_codes")
    test = _codes(test_codes, 1, size, "ngram_cost: test_codes")
    p = np.full(len(test), 1 / size)
    for k in range(1, min(order, len(test)) + 1):
        grams = _grams(test, k, size)
        followed, kinds, counted = _counts(_grams(train, k, size), grams, size)
        share = (counted + kinds * p[k - 1 :]) / np.maximum(followed + kinds, 1)
        p[k - 1 :] = np.where(followed > 0, share, p[k - 1 :])
    return float(-np.log(p).mean())


def _counts(train, test, size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """c(h), t(h) and c(h w) for each of the test text's grams h w."""
    grams, counts = np.unique(train, return_counts=True)
    contexts, first, kinds = np.unique(grams // size, return_index=True, return_counts=True)
    context = _find(contexts, test // size)
    followed = _at(np.add.reduceat(counts, first), context)
    return followed, _at(kinds, context), _at(counts, _find(grams, test))


def _find(known, wanted) -> np.ndarray:
    """The places of `wanted` in the sorted `known`, −1 where they are not there."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[places] == wanted, places, -1)


def _at(values, places) -> np.ndarray:
    return np.where(places >= 0, values[places], 0)


def _grams(codes, k, size) -> np.ndarray:
    """Each k symbols that follow each other as one number, (n − k + 1,)."""
    grams = np.zeros(len(codes) - k + 1, np.int64)
    for offset in range(k):
        grams = grams * size + codes[offset : offset + len(grams)]
    return grams


def _codes(value, least, size, name) -> np.ndarray:
    codes = np.asarray(validate.array(value, name))
    if not np.issubdtype(codes.dtype, np.integer):
        raise TypeError(f"{name} has dtype {codes.dtype}, expected integers; make them with Vocabulary.encode")
    if codes.ndim != 1 or len(codes) < least:
        raise ValueError(f"{name} has shape {codes.shape}, expected (n,) with n >= {least}; give a longer text")
    if codes.min() < 0 or codes.max() >= size:
        raise ValueError(f"{name} holds {codes.min()} to {codes.max()}, expected 0 to {size - 1}; give the right size")
    return codes.astype(np.int64)
