"""Time of one step on p accelerators that share its examples: arithmetic alone, nothing is measured here.

    t(n)      = a + b n                             one accelerator, n examples
    a         = passes · B / memory + kernels · gap      what does not depend on n: the weights' way, and waiting
    b         = FLOP of an example / (share · gemm)
    ring(p)   = 2 (p−1)/p · B / bandwidth + 2 (p−1) · latency
    nested(p) = ring(g) inside a node + ring(p/g) of B/g between nodes
    tree(p)   = ring(g) inside a node + 2 B/g / bandwidth + 2 ⌈log₂ p/g⌉ · latency between nodes
    exposed   = nested(p) − h b n, at least 0       with overlap; without, all of it
    weak      = t(n) / (t(n) + exposed)             n examples on each
    strong    = t(G) / p (t(G/p) + exposed)         G examples on all together

| symbol | name in code | shape |
|---|---|---|
| B | `load.bytes` | bytes of the gradient, 4 a parameter |
| h | `load.hideable` | share of b n that is still to be done when the first gradients are there |
| g | `assumed.node` | accelerators of a node |
| a, b | `step.fixed`, `step.each` | seconds |

The sum in t(n) is cautious: a machine that reads weights while it multiplies takes less. Ring and tree:
[Patarasuk2009]; [Sanders2009]. Cutting the fully connected layers: [Krizhevsky2014].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from fnnets.core import validate

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Assumptions:
    """An accelerator and its links; all are assumed, none is measured.

    Attributes:
        gemm: FLOP/s of a large float32 matrix product.
        share: share of `gemm` that a step reaches; None for what it reached where it was measured.
        memory: bytes/s of the accelerator's memory.
        gap: seconds between two kernels of which one waits for the other.
        node: accelerators that a node joins.
        inside: bytes/s of an accelerator to others of its node, each direction.
        outside: bytes/s of an accelerator to other nodes, each direction.
        inside_latency: seconds of one message within a node.
        outside_latency: seconds of one message between nodes.
        ethernet: bytes/s between machines like the one that measured, if that was no accelerator.
        ethernet_latency: seconds of one message between those.
    """

    gemm: float = 50e12
    share: float | None = None
    memory: float = 2e12
    gap: float = 5e-6
    node: int = 8
    inside: float = 300e9
    outside: float = 50e9
    inside_latency: float = 5e-6
    outside_latency: float = 20e-6
    ethernet: float = 1.25e9
    ethernet_latency: float = 50e-6


REASONS = {
    "gemm": "FLOP/s: an accelerator of the 60 TFLOP/s class in float32, of which large products reach five sixths",
    "share": "of that, for one more example: what the network was measured to reach of the product's rate there",
    "memory": "bytes/s: memory of the HBM2e class",
    "gap": "s: start of a kernel that waits for the one before",
    "node": "accelerators: the usual size of a node",
    "inside": "bytes/s, each direction: two thirds of the 450 GB/s of the fourth generation of NVLink",
    "outside": "bytes/s, each direction: a network card of 400 Gbit/s for each accelerator",
    "inside_latency": "s a message, software included",
    "outside_latency": "s a message, software and switches included",
    "ethernet": "bytes/s: 10 Gbit/s between machines like the one that measured",
    "ethernet_latency": "s a message between those",
}


class Load(NamedTuple):
    """Work and bytes of one step of a network.

    Attributes:
        bytes: of the gradient, which is what an all-reduce sums.
        flops: FLOP of the products of one example's cost and gradient.
        passes: how often a step reads or writes as many bytes as the weights have.
        kernels: operations of a step that wait for one another.
        hideable: share of the arithmetic that follows the first gradients.
        wide_bytes: of `bytes`, those of the fully connected hidden and output layers that may be cut.
        wide_features: numbers that these layers read and give, an example.
    """

    bytes: int
    flops: float
    passes: int
    kernels: int
    hideable: float
    wide_bytes: int = 0
    wide_features: int = 0


class Step(NamedTuple):
    """Seconds of a step of n examples: `fixed` + n · `each`."""

    fixed: float
    each: float

    def seconds(self, examples: float) -> float:
        """t(n).

        >>> Step(1.0, 0.5).seconds(4)
        3.0
        """
        return self.fixed + self.each * examples


class Efficiency(NamedTuple):
    """Seconds of a step without overlap, and the shares of the ideal speed without and with it."""

    seconds: float
    plain: float
    overlapped: float


def check(assumed: Assumptions) -> None:
    """Raise for an assumption that cannot be.

    Raises:
        TypeError, ValueError: a latency or gap below 0, another quantity that is not above 0, a node of no int ≥ 1.

    >>> check(Assumptions(inside=0.0))
    Traceback (most recent call last):
    ValueError: assumed.inside is 0.0, expected a finite number > 0.0; give bytes/s
    """
    for field in fields(assumed):
        value, name = getattr(assumed, field.name), f"assumed.{field.name}"
        if field.name == "node":
            validate.count(value, name, "give a number of accelerators")
        elif field.name == "share":
            if value is not None:
                validate.within(value, 0.0, 1.0, name, "give a share, or leave it out for the measured one")
        elif field.name == "gap" or field.name.endswith("latency"):
            validate.at_least(value, 0.0, name, "give seconds")
        else:
            validate.above(value, 0.0, name, "give FLOP/s" if field.name == "gemm" else "give bytes/s")


def check_counts(counts: tuple[int, ...], node: int, together: tuple[int, ...]) -> None:
    """Raise for numbers of accelerators that fill no whole nodes or share the examples unevenly.

    >>> check_counts((8, 12), 8, (256,))
    Traceback (most recent call last):
    ValueError: counts: one is 12, expected at most 8 or a multiple of it; fill whole nodes
    """
    for count in counts:
        validate.count(count, "counts: one", "give a number of accelerators")
        if count > node and count % node:
            raise ValueError(f"counts: one is {count}, expected at most {node} or a multiple of it; fill whole nodes")
        for examples in together:
            if examples % count:
                raise ValueError(f"counts: one is {count}, expected a divisor of {examples} examples; give another")


def line(few: int, seconds_few: float, many: int, seconds_many: float) -> Step:
    """The step through two measured ones; through the origin and the larger one where `fixed` would be negative.

    >>> line(1, 3.0, 3, 5.0), line(1, 1.0, 2, 3.0)
    (Step(fixed=2.0, each=1.0), Step(fixed=0.0, each=1.5))
    """
    each = (seconds_many - seconds_few) / (many - few)
    fixed = seconds_few - few * each
    return Step(fixed, each) if fixed >= 0 and each > 0 else Step(0.0, seconds_many / many)


def step(load: Load, assumed: Assumptions, share: float) -> Step:
    """The step of an assumed accelerator; `share` holds where the assumptions give none.

    >>> step(Load(8, 6.0, 1, 2, 0.0), Assumptions(gemm=6.0, memory=4.0, gap=1.0), share=0.5)
    Step(fixed=4.0, each=2.0)
    """
    fixed = load.passes * load.bytes / assumed.memory + load.kernels * assumed.gap
    return Step(fixed, load.flops / (assumed.gemm * (share if assumed.share is None else assumed.share)))


def ring(count: int, size: float, bandwidth: float, latency: float) -> float:
    """Seconds of an all-reduce of `size` bytes in a ring.

    >>> ring(4, 100.0, 10.0, 1.0), ring(1, 100.0, 10.0, 1.0)
    (21.0, 0.0)
    """
    return 2 * (count - 1) / count * size / bandwidth + 2 * (count - 1) * latency


def flat(count: int, size: float, assumed: Assumptions) -> float:
    """One ring over all; beyond a node its slowest links set the pace."""
    if count <= assumed.node:
        return ring(count, size, assumed.inside, assumed.inside_latency)
    return ring(count, size, assumed.outside, assumed.outside_latency)


def nested(count: int, size: float, assumed: Assumptions) -> float:
    """Within nodes, and between them a ring for each accelerator's share."""
    group = min(count, assumed.node)
    return ring(group, size, assumed.inside, assumed.inside_latency) + ring(
        count // group, size / group, assumed.outside, assumed.outside_latency
    )


def tree(count: int, size: float, assumed: Assumptions) -> float:
    """Within nodes, and between them two trees, each of half of the bytes."""
    group = min(count, assumed.node)
    inside = ring(group, size, assumed.inside, assumed.inside_latency)
    depth = math.ceil(math.log2(count // group))
    between = 2 * size / group / assumed.outside + 2 * depth * assumed.outside_latency
    return inside + (between if depth else 0.0)


def cut(count: int, examples: int, load: Load, assumed: Assumptions) -> float:
    """With the wide layers cut over a node: each sums its share of them with the other nodes' and exchanges features.

    Every accelerator keeps `examples` of its own outside of the wide layers; forward the features of all are gathered,
    backward their δ are summed and scattered.
    """
    group = min(count, assumed.node)
    between = ring(count // group, load.wide_bytes / group, assumed.outside, assumed.outside_latency)
    features = 2 * (group - 1) * examples * load.wide_features * FLOAT_BYTES / assumed.inside
    return nested(count, load.bytes - load.wide_bytes, assumed) + between + features


def weak(own: Step, examples: int, communication: float, hideable: float) -> Efficiency:
    """`examples` on each accelerator.

    >>> weak(Step(0.0, 1.0), 3, 1.0, 0.0).plain
    0.75
    """
    return _efficiency(own.seconds(examples), own, examples, communication, hideable)


def strong(own: Step, count: int, together: int, communication: float, hideable: float) -> Efficiency:
    """`together` examples on all.

    >>> strong(Step(1.0, 1.0), 2, 6, 3.0, 0.0).plain
    0.5
    """
    return _efficiency(own.seconds(together) / count, own, together / count, communication, hideable)


def _efficiency(ideal, own, examples, communication, hideable) -> Efficiency:
    alone = own.seconds(examples)
    left = max(0.0, communication - hideable * own.each * examples)
    return Efficiency(alone + communication, ideal / (alone + communication), ideal / (alone + left))


def hidden_from(own: Step, communication: float, hideable: float) -> int | None:
    """The least number of examples whose arithmetic can hide the communication; None where nothing can.

    >>> hidden_from(Step(0.0, 1.0), 3.0, 0.5), hidden_from(Step(0.0, 1.0), 3.0, 0.0)
    (6, None)
    """
    return max(1, math.ceil(communication / (hideable * own.each))) if hideable else None


def enough(own: Step, communication: float, efficiency: float = 0.9) -> int:
    """The least number of examples with which a step without overlap reaches an efficiency.

    >>> enough(Step(1.0, 1.0), 1.0)
    8
    """
    needed = communication * efficiency / (1 - efficiency)
    return max(1, math.ceil(round((needed - own.fixed) / own.each, 9)))


def options(load: Load, assumed: Assumptions, own: Step, examples: int, count: int) -> list[tuple[str, float]]:
    """(what is changed, efficiency without overlap, weak) for each thing that could be done or be otherwise."""
    slower = replace(assumed, outside=assumed.outside / 4)
    faster = own._replace(each=own.each / 4)
    found = [
        ("as above", own, nested(count, load.bytes, assumed)),
        ("all-reduce in bfloat16: half the bytes", own, nested(count, load.bytes / 2, assumed)),
        ("trees between the nodes", own, tree(count, load.bytes, assumed)),
        ("one flat ring", own, flat(count, load.bytes, assumed)),
        ("arithmetic 4 times as fast", faster, nested(count, load.bytes, assumed)),
        ("a quarter of the bandwidth between nodes", own, nested(count, load.bytes, slower)),
    ]
    if load.wide_bytes:
        found.insert(2, ("fully connected layers cut over a node", own, cut(count, examples, load, assumed)))
    return [(name, weak(each, examples, seconds, 0.0).plain) for name, each, seconds in found]
