"""Every value of a network on a batch and the gradient of the cost by it, by name: what hooks give in other libraries.

    forward:   x, then of each layer what it marks with `tap`, and its output a;  z(L), a(L) and C
    backward:  of the same names ∂C/∂value, by hand: what the layers mark with `delta`, and the d_x between them

| name | value | its δ | statement of δ |
|---|---|---|---|
| "input" | x, in the parameters' dtype | ∂C/∂x | that of the first layer's d_x |
| "layer 0 dense z", "layer 0 lstm z_i" | what the layer marks | ∂C/∂z | as the layer marks it |
| "layer 0 dense a" | the layer's output | ∂C/∂a, row "layer 1 … d_x" of a report | that of the next layer's d_x |
| "output" | z(L) | ∂C/∂z(L), with the mean in it | (1), (7) |
| "output activity" | weighted inputs that a sparsity reads | ∂S/∂t | ∂S/∂t |
| "prediction" | a(L); an RBM has none | none: (1) gives ∂C/∂z(L) at once | |

What a layer marks has the name of its row in a report of `fnnets.verify.network` and in `fn.statements`. A name that
comes again, as in a loop of Python, is numbered: "layer 0 unfold z #0". The last layer's output is "output", and where
a layer marks an "a" of its own its output is "y". Within a bidirectional layer "backward/…" counts steps from the end.
The δ of a recurrent layer's "a" is the part from above; that of its "h" has the part through time as well.

Layers that run a kernel are run as their pages (`Layer.plain`), which mark more: the names are the same for both. Of
layers and chains whose functions were replaced the own functions run, with the marks that these have.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from fnnets.core import batches, calls, tables, validate
from fnnets.core.construction import constructor
from fnnets.core.types import Batch, Layer, Network
from fnnets.verify.checks import decompose, observing
from fnnets.verify.checks.decompose import Place
from fnnets.verify.checks.observing import BACKWARD, FORWARD, OUTPUT
from fnnets.verify.tracing import interpreter, matching
from fnnets.verify.tracing.interpreter import Site

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree

HEAD = ("value", "shape", "least", "greatest", "statement", "largest δ")


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=("values", "deltas", "gradient", "cost"), meta_fields=("follows",)
)
@dataclass(frozen=True, eq=False, repr=False)
class Intermediates:
    """The values of a network on a batch, and the gradients of C by them; a pytree, and `print` shows a table.

    Attributes:
        values: name -> array, in the order of the forward pass.
        deltas: name -> ∂C/∂value, of the value's shape and dtype, in the order of the backward pass.
        gradient: ∂C/∂params, of the type of the parameters.
        cost: C, ().
        follows: (name, statement) of each of the deltas; `statements` is the same as a dict.
    """

    values: OrderedDict[str, Array]
    deltas: OrderedDict[str, Array]
    gradient: PyTree
    cost: Float[Array, ""]
    follows: tuple[tuple[str, str], ...]

    @property
    def statements(self) -> dict[str, str]:
        """Of each of the deltas, by name, the number of its statement in the notes, or its label."""
        return dict(self.follows)

    def __str__(self) -> str:
        """A table: name, shape and range of each value; the statement and the largest magnitude of its δ."""
        statements = self.statements
        rows = [
            (name, str(value.shape), *_range(value), statements.get(name, ""), _largest(self.deltas.get(name)))
            for name, value in self.values.items()
        ]
        return f"{tables.table([HEAD, *rows])}\ncost C {_number(self.cost)}; δ is ∂C/∂value"

    def __repr__(self) -> str:
        return str(self)


@calls.strict("intermediates")
def intermediates(net: Network, params: PyTree, batch: Batch, *, key: Array | None = None) -> Intermediates:
    """Every weighted input, activation and δ of a network on a batch, by name.

    The deltas come from the backward passes that are written by hand, never from `jax.grad`. δ is ∂C/∂z with the C of
    `net.cost`, a mean over the batch, so that it holds 1/N, or the weight of its example; of a batch of one example
    δ is that of the notes, ∂c/∂z, where c of a sequence with an answer at every step is a mean over its T steps. At
    padded steps δ is 0. The function is pure: `jax.jit(functools.partial(fn.intermediates, net))` is a program.

    Args:
        net: any network, also of layers of one's own.
        params: its parameters, which decide the dtype of everything.
        batch: `fnnets.Batch` of examples; their axis stands in each value where it stands in the inputs.
        key: PRNG key of the draws in training; None for the network of prediction.

    Returns:
        `Intermediates`: `values` and `deltas` by name, `gradient` and `cost`.

    Raises:
        TypeError, ValueError: arguments that do not fit the network; a network with a cost or a gradient of its own,
            in which layers cannot be told apart; marks that cannot be followed or matched.

    >>> import jax, fnnets as fn
    >>> net = fn.feedforward([3, 4, 2], objective=fn.objectives.softmax_log_likelihood)
    >>> x = jax.random.normal(jax.random.key(1), (5, 3))
    >>> found = fn.intermediates(net, net.init(jax.random.key(0)), fn.Batch(x, jax.numpy.arange(5) % 2))
    >>> list(found.values)
    ['input', 'layer 0 dense z', 'layer 0 dense a', 'layer 1 dense z', 'output', 'prediction']
    >>> [(name, delta.shape, found.statements[name]) for name, delta in found.deltas.items()][:3]
    [('output', (5, 2), '1, mean'), ('layer 1 dense z', (5, 2), '2'), ('layer 0 dense a', (5, 4), '2')]
    """
    params, batch = _checked(net, params, batch, key)
    return _program(net)(params, batch, key)


def _checked(net: Network, params: PyTree, batch: Batch, key: Array | None) -> tuple[PyTree, Batch]:
    """Parameters and the batch as arrays, after every check that needs no tracing."""
    check_network(net)
    if key is not None:
        validate.is_key(key, "intermediates: key")
    validate.like(params, jax.eval_shape(net.init, jax.random.key(0)), "intermediates: params")
    return jax.tree.map(jnp.asarray, params), batches.checked(net, batch, "intermediates: batch")


def check_network(net: Network) -> None:
    """Raise unless `net` is a network whose cost and gradient are those of its layer and its objective."""
    validate.is_instance(net, Network, "intermediates: net", "make one with fnnets.network or fnnets.feedforward")
    for name in ("cost", "gradient", "cost_and_gradient"):
        function = getattr(net, name)
        if calls.unchecked(function) is function:
            raise ValueError(
                f"intermediates: net has a {name} of its own, expected that of its layer and its objective, where each "
                "value is known; make the network with fnnets.network(layer, objective, input_shape)"
            )


@constructor
def _program(net: Network) -> Callable[[PyTree, Batch, Array | None], Intermediates]:
    """The function of checked arguments, compiled once for each of their shapes."""
    run = observing.observed(net)

    def found(params: PyTree, batch: Batch, key: Array | None) -> Intermediates:
        traced = interpreter.trace(run, params, batch, key)
        names = _Names.of(net, traced.sites)
        for each in traced.unfollowed:
            raise ValueError(f"intermediates: {each._replace(name=names.named(each.name))}")
        nothing = [None] * len(traced.sites)
        (cost, gradient), seen = interpreter.run(traced, (params, batch, key), nothing, interpreter.added)
        values, deltas, follows = _collected([names.site(site) for site in traced.sites], seen)
        if net.targets != batches.SAMPLES:
            values["prediction"] = net.objective.predict(values["output"])
        return Intermediates(values, deltas, gradient, cost, follows)

    return jax.jit(found)


class _Names(NamedTuple):
    """What marks are called, by the layers that hold them, and how the statements of these are numbered.

    Attributes:
        whole: the layer of the network.
        places: its layers that are no chains, with their scopes, such as "1/0/".
        numbers: the names of each layer's statements.
        output: the names of the output layer's statements.
        marked: the names of all marks, as the code has them.
    """

    whole: Layer
    places: list[tuple[str, Place]]
    numbers: Sequence[Callable[[str], str]]
    output: Callable[[str], str]
    marked: set[str]

    @staticmethod
    def of(net: Network, sites: Sequence[Site]) -> _Names:
        """The names in a network whose marks are known."""
        leaves = net.layer.leaves()
        places = [Place(part, None, tuple(map(int, filter(None, place.split("."))))) for place, part in leaves]
        scopes = ["".join(f"{i}/" for i in place.position) for place in places]
        numbers, marked = decompose.numbered(net.layer, places), {site.tag.name for site in sites}
        output = decompose.numbered_output(net)
        return _Names(net.layer, list(zip(scopes, places, strict=True)), numbers, output, marked)

    def site(self, site: Site) -> Site | None:
        """The site under the name of its row, with its statement; None for a tap of a pass that is run again."""
        scope, _, rest = site.tag.name.partition("/")
        if (scope, site.tag.kind) == (BACKWARD, "tap"):
            return None
        number = self.numbers[self._place(rest)] if scope == BACKWARD else self.output
        name, statement = self.named(site.tag.name), number(site.tag.statement)
        return site._replace(tag=site.tag._replace(name=name, statement=statement))

    def named(self, mark: str) -> str:
        """The name of a mark."""
        scope, _, rest = mark.partition("/")
        if scope not in (FORWARD, BACKWARD):
            return mark
        if OUTPUT in rest:
            own = f"{FORWARD}/{rest.partition(OUTPUT)[0]}a"
            rest = rest.replace(OUTPUT, "y" if own in self.marked else "a")
        own_scope, place = self.places[self._place(rest)]
        return f"{decompose.title(place)} {rest.removeprefix(own_scope)}"

    def _place(self, mark: str) -> int:
        """The number of the layer whose scope a mark stands in; that of the first where it stands in none."""
        return next((number for number, (scope, _) in enumerate(self.places) if mark.startswith(scope)), 0)


def _collected(
    sites: Sequence[Site | None], seen: Sequence[Array]
) -> tuple[OrderedDict[str, Array], OrderedDict[str, Array], tuple[tuple[str, str], ...]]:
    """Values in the order of the forward pass, deltas in that of the backward pass, and their statements."""
    both = [(site, value) for site, value in zip(sites, seen, strict=True) if site is not None]
    forward, backward = ([pair for pair in both if pair[0].tag.kind == kind] for kind in ("tap", "delta"))
    ahead, back = [site for site, _ in forward], [site for site, _ in backward]
    ahead_seen, back_seen = [value for _, value in forward], [value for _, value in backward]
    matches, trouble = matching.matches(ahead, back)
    if trouble:
        raise ValueError(f"intermediates: {trouble}")
    paired = {ahead[match.taps[0]].tag.name for match in matches}
    for name in dict.fromkeys(site.tag.name for site in back):
        if name not in paired:
            tapped, marked = (sum(site.tag.name == name for site in side) for side in (ahead, back))
            raise ValueError(
                f"intermediates: the forward pass taps {name!r} {tapped} times and the gradient marks it {marked} "
                "times, expected as many; give each quantity a name of its own"
            )
    found = {match.taps[0]: (match.label, matching.joined(ahead, ahead_seen, match.taps)) for match in matches}
    rest = sorted(set(range(len(ahead))) - {tap for match in matches for tap in match.taps})
    names = [ahead[tap].tag.name for tap in rest]
    for place, tap in enumerate(rest):  # taps without a delta
        number = f" #{names[:place].count(names[place])}" if names.count(names[place]) > 1 else ""
        found[tap] = f"{names[place]}{number}", matching.joined(ahead, ahead_seen, (tap,))
    deltas = OrderedDict((match.label, matching.explicit(back, back_seen, match)) for match in matches)
    follows = tuple((match.label, match.statement) for match in matches)
    return OrderedDict(found[tap] for tap in sorted(found)), deltas, follows


def _range(value: Array) -> tuple[str, str]:
    """The least and the greatest number of an array, "" of none and while JAX traces."""
    if not validate.is_concrete(value) or not value.size:
        return "", ""
    return _number(value.min()), _number(value.max())


def _largest(delta: Array | None) -> str:
    return "" if delta is None or not delta.size else _number(jnp.abs(delta).max())


def _number(value: Array) -> str:
    return f"{float(value):.3g}" if validate.is_concrete(value) and value.ndim == 0 else str(value)
