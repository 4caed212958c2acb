"""Valid calls of `fn.feedforward` and its relatives."""

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import instance, number, sizes

SOFTMAX = fn.objectives.softmax_log_likelihood

ROWS = [
    call(
        "fn.feedforward",
        fn.feedforward,
        sizes=sizes([4, 3, 2]),
        activation=instance(fn.activations.sigmoid, SOFTMAX),
        objective=instance(SOFTMAX, fn.activations.sigmoid),
        dropout=number(0.1, 0, 1, open="high").but("none"),
        l2=number(0.1, 0),
        initializer=instance(fn.initializers.default, SOFTMAX),
    ),
]
