"""Tools that look for wrong gradients: fnnets.verify, JAX's check_grads and PyTorch's gradcheck on the same mutants.

    python -m experiments.benchmarks verification [--quick] [--families dense lstm] [--seeds 3]

Every mutant of `fnnets.mutation`, each in a network of its family with parameters and data in general position.
The others get the same cost with the changed gradient as its custom derivative, and their own default tolerances:

    check_grads   jax.test_util.check_grads(cost, (params,), order=1, modes=["rev"]), in float32 and in float64
    gradcheck     torch.autograd.gradcheck of a torch function whose forward and backward call the same JAX programs,
                  float64, as it demands

| symbol | name in code | shape |
|---|---|---|
| killed | the tool refused the mutant | () |
| named | its answer holds the place of the change: fnnets alone gives one | () |
| false alarm | it refused correct code, in float32, bfloat16, saturated units, ties, N = 1 | () |

Mutants of samplers and ties have no wrong gradient, and belong to fnnets alone. A network that PyTorch cannot be given
(bfloat16) is left out for it and said so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import command, peers, report
from fnnets import mutation, verify
from fnnets.core import sequences
from fnnets.mutation import probes
from fnnets.mutation.mutant import FAULT
from fnnets.verify.tracing import compiled, precision

FNNETS, ALONE, SINGLE, DOUBLE, TORCH = (
    "fnnets.verify", "fnnets.verify, float32 alone", "check_grads, float32", "check_grads, float64", "gradcheck"
)  # fmt: skip
CASES = ("float32", "saturated", "bfloat16", "ties", "one example")


@dataclass(frozen=True)
class Options:
    """Try the catalogue of mutants, and correct code, with each tool.

    Attributes:
        families: which ones.
        seeds: draws of parameters for correct code, in each setting and case.
        out: folder for the results.
        quick: one family and one seed, to see that all works.
    """

    families: tuple[str, ...] = tuple(mutation.CATALOGUE)
    seeds: int = 3
    out: Path = Path("results/benchmarks")
    quick: bool = False


def run(options: Options) -> int:
    """Try, print and write."""
    chosen, seeds = (("pooling",), 1) if options.quick else (options.families, options.seeds)
    for family in chosen:
        if family not in mutation.CATALOGUE:
            raise ValueError(f"families holds {family!r}, expected some of {', '.join(mutation.CATALOGUE)}")
    rows = []
    for family in chosen:
        rows += of_family(family, seeds)
        print(f"{family} done", file=sys.stderr)
    content = {
        "command": f"python -m experiments.benchmarks verification --families {' '.join(chosen)} --seeds {seeds}",
        "settings": {"families": list(chosen), "seeds": seeds}, "rows": rows,
    }  # fmt: skip
    print(table(rows).rstrip())
    return command.finish("verification", options.out, content)


def of_family(family: str, seeds: int) -> list[dict[str, Any]]:
    """A row for each tool."""
    rows = [_ours(family, float64) for float64 in (True, False)]
    faults = [mutant for mutant in mutation.CATALOGUE[family] if mutant.kind == FAULT]
    tools: dict[str, Callable[[probes.Probe], bool]] = {SINGLE: check_grads_single, DOUBLE: check_grads_double}
    if peers.has_torch():
        tools[TORCH] = gradcheck
    for name, tool in tools.items():
        began, killed = time.perf_counter(), 0
        for mutant in faults:
            with mutation.applied(mutant):
                killed += not tool(_probe(family, mutant.setting))
        seconds = time.perf_counter() - began
        rows.append({"family": family, "tool": name, "mutants": len(faults), "killed": killed, "seconds": seconds})
    alarms = false_alarms(family, seeds, [FNNETS, ALONE, *tools])
    return [row | alarms[row["tool"]] for row in rows]


def _ours(family: str, float64: bool) -> dict[str, Any]:
    outcome = mutation.run(family, x64=float64)
    named = sum(result.named for result in outcome.results)
    row = {"family": family, "tool": FNNETS if float64 else ALONE, "mutants": len(outcome.results), "named": named}
    return row | {"killed": sum(result.killed for result in outcome.results), "seconds": outcome.seconds}


def false_alarms(family: str, seeds: int, tools: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Alarms over correct code, and how many pieces of it each tool was given."""
    found: dict[str, dict[str, Any]] = {tool: {"alarms": 0, "correct": 0, "alarming": []} for tool in tools}
    for setting in probes.settings(family):
        kept: dict[str, dict[Any, Any]] = {tool: {} for tool in (FNNETS, ALONE)}
        for case in CASES:
            for seed in range(seeds):
                probe = moved(probes.Probe(*setting.make()), case, seed)
                for tool in tools:
                    answer = _passes(tool, probe, kept.get(tool))
                    if answer is not None:
                        found[tool]["correct"] += 1
                        found[tool]["alarms"] += not answer
                        if not answer:
                            found[tool]["alarming"].append(f"{setting.name}, {case}, seed {seed}")
    return found


def moved(probe: probes.Probe, case: str, seed: int) -> probes.Probe:
    """The probe with other parameters: large ones, all zero, in half precision, or with one example."""
    random = np.random.default_rng(seed)
    scale = {"saturated": 20.0, "ties": 0.0}.get(case, 1.0)
    dtype = jnp.bfloat16 if case == "bfloat16" else jnp.float32
    draw = lambda leaf: jnp.asarray(scale * 0.7 * random.normal(size=leaf.shape), dtype)  # noqa: E731
    probe = probe._replace(params=jax.tree.map(draw, probe.params))
    return probe._replace(batch=_first(probe)) if case == "one example" else probe


def _first(probe: probes.Probe) -> Any:
    """The batch's first example."""
    return sequences.take(probe.net.layer.time, probe.batch, jnp.array([0]))


def _passes(tool: str, probe: probes.Probe, kept: dict[Any, Any] | None) -> bool | None:
    """Whether a tool passes correct code; None where it cannot be given the case."""
    if kept is not None:
        with compiled.keeping(kept):
            return verify.network(*probe, x64=tool == FNNETS).ok
    is_half = jax.tree.leaves(probe.params)[0].dtype == jnp.bfloat16
    if tool == TORCH:
        return None if is_half else gradcheck(probe)
    return check_grads_single(probe) if tool == SINGLE else None if is_half else check_grads_double(probe)


def check_grads_single(probe: probes.Probe) -> bool:
    """Whether check_grads passes in the parameters' own precision."""
    return _check_grads(probe)


def check_grads_double(probe: probes.Probe) -> bool:
    """Whether check_grads passes in float64."""
    with precision.double():
        params, batch = _in_double(probe)
        return _check_grads(probe._replace(params=params, batch=batch))


def _check_grads(probe: probes.Probe) -> bool:
    from jax.test_util import check_grads

    cost, gradient = _pair(probe)
    wrapped = jax.custom_vjp(cost)
    wrapped.defvjp(
        lambda params: (cost(params), params), lambda params, d: (jax.tree.map(lambda g: d * g, gradient(params)),)
    )
    try:
        check_grads(wrapped, (probe.params,), order=1, modes=["rev"])
    except (AssertionError, ValueError, TypeError):
        return False
    return True


def gradcheck(probe: probes.Probe) -> bool:
    """Whether PyTorch's gradcheck passes: cost and gradient are the same JAX programs, called from its function."""
    import torch

    with precision.double():
        params, batch = _in_double(probe)
        cost, gradient = map(jax.jit, _pair(probe._replace(batch=batch)))
        leaves, structure = jax.tree.flatten(params)

        def tree(tensors):
            return jax.tree.unflatten(structure, [jnp.asarray(tensor.detach().numpy()) for tensor in tensors])

        class Cost(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *tensors):
                ctx.save_for_backward(*tensors)
                return torch.tensor(float(cost(tree(tensors))), dtype=torch.float64)

            @staticmethod
            def backward(ctx, d):
                found = jax.tree.leaves(gradient(tree(ctx.saved_tensors)))
                return tuple(d * torch.from_numpy(np.array(leaf)) for leaf in found)

        tensors = [torch.from_numpy(np.array(leaf)).requires_grad_() for leaf in leaves]
        try:
            return bool(torch.autograd.gradcheck(Cost.apply, tensors, raise_exception=False))
        except (RuntimeError, ValueError, TypeError):  # a gradient of another shape or structure
            return False


def _in_double(probe: probes.Probe) -> tuple[Any, Any]:
    """Parameters and batch in float64; n stays a number."""
    wide = precision.to_double((probe.params, probe.batch))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, wide)


def _pair(probe: probes.Probe) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    net, _, batch, key = probe
    return lambda params: net.cost(params, batch, key=key), lambda params: net.gradient(params, batch, key=key)


def _probe(family: str, name: str) -> probes.Probe:
    setting = next(setting for setting in probes.settings(family) if setting.name == name)
    return probes.Probe(*setting.make())


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows summed over families, as Markdown."""
    lines: list[tuple[str, ...]] = [("tool", "killed", "named at first hit", "false alarms", "seconds")]
    for tool in dict.fromkeys(row["tool"] for row in rows):
        mine = [row for row in rows if row["tool"] == tool]
        total = {key: sum(row[key] for row in mine) for key in ("killed", "mutants", "alarms", "correct", "seconds")}
        named = f"{sum(row['named'] for row in mine)} of {total['mutants']}" if "named" in mine[0] else "it names none"
        killed, alarms = f"{total['killed']} of {total['mutants']}", f"{total['alarms']} of {total['correct']}"
        lines.append((tool, killed, named, alarms, f"{total['seconds']:.0f}"))
    return report.table(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "verification", arguments)
