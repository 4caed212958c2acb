"""An epoch of feedforward networks: fnnets against itself, JAX, PyTorch, scikit-learn and NumPy.

    python -m experiments.benchmarks feedforward [--quick] [--nets 784-30-10:10 …]

50 000 examples of 784 features, sigmoid hidden units, softmax log-likelihood, momentum descent (η = 0.1, μ = 0.9),
float32, reshuffled each epoch by everyone. First all take the same 300 steps and are compared, then they are timed.
scikit-learn also computes its cost in each step, which it cannot leave out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.benchmarks import agreement, command, contestants, peers, rates, report
from experiments.benchmarks.setting import Setting, Trainer, mnist_examples, random_examples, setting
from experiments.benchmarks.timing import Contestant, interleave
from experiments.harness import results
from fnnets.core import validate

NETS = ("784-30-10:10", "784-100-10:10", "784-100-10:128", "784-512-512-10:128")
SLOW_ROUNDS = 3
QUICK: dict[str, Any] = {"examples": 2000, "rounds": 2}


@dataclass(frozen=True)
class Options:
    """Time an epoch of feedforward networks, fnnets against its peers.

    Attributes:
        examples: examples in an epoch.
        rounds: samples of each contestant; scikit-learn and NumPy run in the first three rounds only.
        nets: sizes and minibatch of each network.
        out: folder for the results.
        data_dir: folder with MNIST, in place of random examples.
        quick: 2000 examples and 2 rounds, to see that all works.
    """

    examples: int = 50_000
    rounds: int = 7
    nets: tuple[str, ...] = NETS
    out: Path = Path("results/benchmarks")
    data_dir: Path | None = None
    quick: bool = False


def run(options: Options) -> int:
    """Compare and time all nets; 1 if a contestant arrives at other parameters."""
    if options.quick:
        options = replace(options, **QUICK)
    validate.count(options.examples, "examples", "50000 is the usual epoch")
    validate.count(options.rounds, "rounds", "give the number of samples")
    if options.data_dir is None:
        examples = random_examples(options.examples)
    else:
        examples = mnist_examples(options.examples, options.data_dir)
    settings = [setting(name, *examples) for name in options.nets]
    if not peers.has_torch():
        print("PyTorch eager: skipped, torch is not installed; `make benchmark` installs it")
    nets, wrong = [], []
    for each in settings:
        net = measure(each, options.rounds)
        nets.append(net)
        wrong += [f"{net['name']}: {name}" for name in agreement.disagreeing(net["agreement"])]
        print(report.text(net) + "\n", flush=True)
    path = results.save_json(content(options, nets, rates.call(options.rounds)), options.out / "feedforward.json")
    print(f"Results: {path}")
    for name in wrong:
        print(f"{name} arrives at other parameters; its time is worthless", file=sys.stderr)
    return 1 if wrong else 0


def measure(each: Setting, rounds: int) -> dict[str, Any]:
    """One network: agreement, then times, gradients and the machine's rates."""
    trainers, torch_settings = enter(each)
    drawing = (report.EXPLICIT, report.AUTOMATIC, report.MONITORED)
    differences = agreement.compare(each, trainers, drawing)
    worst = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    print(f"{each.name}: largest relative difference from {report.EXPLICIT}: {worst}", flush=True)
    samples = interleave([Contestant(one.name, one.epoch, one.rounds, one.epochs) for one in trainers], rounds)
    return {
        "name": each.name, "sizes": each.sizes, "batch_size": each.batch_size, "steps": each.steps,
        "flops": each.flops, "agreement": differences, "samples": samples,
        "loops": [one.name for one in trainers if one.loops], "gradient": rates.gradients(each, rounds),
        "gemm": rates.gemm(each, rounds), "torch": torch_settings,
    }  # fmt: skip


def enter(each: Setting) -> tuple[list[Trainer], dict[str, Any]]:
    """The contestants of one network, fnnets first, and how PyTorch runs."""
    trainers = [
        contestants.fit(each, report.EXPLICIT),
        contestants.fit(each, report.AUTOMATIC, "automatic"),
        contestants.bare_scan(each, report.BARE),
        contestants.fit(each, report.MONITORED, monitor=True),
        contestants.per_step(each, report.PER_STEP),
    ]
    torch_settings: dict[str, Any] = {}
    if peers.has_torch():
        trainer, torch_settings = peers.torch_eager(each, report.TORCH)
        trainers.append(trainer)
    trainers += [
        peers.scikit_learn(each, report.SCIKIT, SLOW_ROUNDS),
        peers.numpy_loop(each, report.NUMPY, SLOW_ROUNDS),
    ]
    return trainers, torch_settings


def content(options: Options, nets: Sequence[dict[str, Any]], call: float) -> dict[str, Any]:
    """The written content: settings, versions, device, every sample, and no names of hosts or folders."""
    environment = results.environment()
    environment["versions"] |= versions()
    chosen = {"data": "random" if options.data_dir is None else "MNIST"}
    chosen |= {name: value for name, value in asdict(options).items() if name in ("examples", "rounds")}
    command = "python -m experiments.benchmarks feedforward"
    return {"name": "feedforward", "command": command, "settings": chosen, **environment, "call": call, "nets": nets}


def versions() -> dict[str, str]:
    """Versions of the peers."""
    import sklearn

    return {"scikit-learn": sklearn.__version__, **peers.versions()}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return command.main(run, Options, "feedforward", arguments)
