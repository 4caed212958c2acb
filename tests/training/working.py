"""What the processes of test_processes.py run: python -m tests.training.working FOLDER MODE."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from fnnets.training.distributed import processes

EXAMPLES, EPOCHS, BATCH = 30, 4, 8


def problem():
    """A network, its optimiser and 30 examples; 8 does not divide 30, nor 2 or 4 the last minibatch of 6."""
    import jax

    import fnnets as fn

    net = fn.feedforward([3, 4, 2], objective=fn.objectives.softmax_log_likelihood)
    x = np.asarray(jax.random.normal(jax.random.key(3), (EXAMPLES, 3)))
    return net, fn.training.momentum(0.3, 0.9), x, (x[:, 0] > x[:, 1]).astype(np.int32)


def train(folder, batch_size=BATCH, checkpoint=None):
    import jax

    import fnnets as fn

    net, optimizer, x, labels = problem()
    return fn.fit(
        net, optimizer, fn.data.stream(x, labels), key=jax.random.key(0), epochs=EPOCHS, batch_size=batch_size,
        devices="all", checkpoint=checkpoint, progress=False,
    )  # fmt: skip


def ends_early(index):
    """All have two batches of four, and all but process 0 one of two more."""
    import jax

    import fnnets as fn

    net, optimizer, x, labels = problem()
    sizes = [4, 4] + [2] * (index > 0)
    batches = [(x[:size], labels[:size]) for size in sizes]
    fn.fit(net, optimizer, lambda epoch: batches, key=jax.random.key(0), epochs=1, devices="all", progress=False)


def noting(reads):
    """Call `reads` with the rows of each piece of minibatches that training reads of the inputs."""
    from fnnets.training.streaming import loader

    read_rows = loader.read_rows

    def noted(array, rows, axis):
        if array.ndim == 2:  # the inputs
            reads(rows)
        return read_rows(array, rows, axis)

    loader.read_rows = noted


def trains(folder, index):
    """First two disagreements, which all must survive, then the run whose numbers and reads are looked at."""
    import jax

    for name, run in (("error", lambda: train(folder, BATCH + index)), ("end", lambda: ends_early(index))):
        try:
            run()
        except ValueError as error:
            (folder / f"{name}-{index}").write_text(str(error))
    rows = []
    noting(lambda read: rows.extend(read.ravel().tolist()))
    leaves = jax.tree.leaves(jax.device_get(train(folder).params))
    np.savez(folder / f"process-{index}.npz", *leaves, rows=np.array(rows))


def dies(folder, index):
    """Process 1 is killed when it reads for the third epoch, unless that has happened before."""
    import jax

    reads, mark = [], folder / "died"

    def note(rows):
        reads.extend(rows.ravel().tolist())
        if index == 1 and len(reads) > 2 * EXAMPLES // 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    noting(note)
    result = train(folder, checkpoint=folder / "checkpoints")
    leaves = jax.tree.leaves(jax.device_get(result.params))
    np.savez(folder / f"process-{index}.npz", *leaves, rows=np.array(reads))


def hangs(folder, index):
    """Process 1 stops without an end, as on a machine that is gone, in the midst of exchanges."""
    for number in range(10**6):
        processes.anywhere(False)
        (folder / str(os.getpid())).touch()
        if index == 1 and number == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.01)


def waits(folder, index):
    (folder / str(os.getpid())).touch()
    time.sleep(60)


if __name__ == "__main__":
    processes.join(heartbeat=2)
    import jax

    mode = {"trains": trains, "dies": dies, "hangs": hangs, "waits": waits}[sys.argv[2]]
    mode(Path(sys.argv[1]), jax.process_index())
