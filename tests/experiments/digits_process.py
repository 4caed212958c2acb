"""One of several processes of the digits, without what takes long and is process 0's alone.

python -m tests.experiments.digits_process OUT: process 1 is killed between the two trainings where OUT/kill exists.
"""

import os
import signal
import sys
from pathlib import Path

import fnnets as fn
from experiments.feedforward import digits


class Proof:
    """A report for tests of something other than the proof."""

    ok = True

    def table(self):
        return "the table"

    def to_json(self):
        return "{}"


def options(out, processes=1):
    return digits.Options(out=out, seeds=(0,), epochs=2, hidden=5, progress=False, processes=processes)


if __name__ == "__main__":
    out, train = Path(sys.argv[1]), digits._train

    def dying(net, optimizer, gradient, seed, chosen):
        import jax

        if gradient == "automatic" and jax.process_index() == 1 and (out / "kill").exists():
            (out / "kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return train(net, optimizer, gradient, seed, chosen)

    digits._train = dying
    digits._compile = lambda net, optimizer, gradient: 0.0
    for name in ("learning_curves", "filters", "confusion", "save"):
        setattr(digits.plots, name, lambda *args, **settings: None)
    fn.verify.network = lambda *args: Proof()
    sys.exit(digits.run(options(out, int(os.environ["FNNETS_PROCESSES"]))))
