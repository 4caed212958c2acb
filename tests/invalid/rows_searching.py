"""Valid calls of what trains several networks: sweeps, searches, cross-validation, pretraining."""

import jax
import numpy as np
import optax

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import batch, choice, count, fixed, flag, function, key, number, optimizer, sizes

NET = fn.feedforward([4, 3, 2], objective=fn.objectives.softmax_log_likelihood)
REGRESSION = fn.feedforward([4, 2], objective=fn.objectives.linear_squared_error)
RBM = fn.rbm(4, 2)
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
DATA = fn.Batch(X, np.arange(6) % 2)
STATES = fn.Batch((X > 0).astype(np.float32))
KEYS = jax.random.split(jax.random.key(0), 2)
REAL = fn.Batch(np.tile(X, (2, 1)), np.arange(12) % 2)


def build(rate):
    return NET, optax.sgd(rate)


gradient = fixed("explicit", misspelt="explict", number=3, none=None)
progress = fixed(False, misspelt="atuo", number=3, none=None)
built = function(build).also(
    network=NET,
    of_none=lambda rate: None,
    of_one=lambda rate: NET,
    of_text=lambda rate: "ab",
    turned=lambda rate: (optax.sgd(rate), NET),
    of_rates=lambda rate: (NET, 0.1),
    others=lambda learning_rate: build(learning_rate),
    none_at_all=lambda: build(0.1),
    more=lambda rate, momentum: build(rate),
)
settings = {"epochs": count(1), "batch_size": count(2), "gradient": gradient, "progress": progress}
numbers = fixed(
    {"rate": [0.1, 0.2]},
    pair=(0.1, 0.2),
    list=[0.1, 0.2],
    number=3,
    text="rate",
    one={"rate": 0.1},
    short={"rate": [0.1]},
    long={"rate": [0.1, 0.2, 0.3]},
    words={"rate": ["0.1", "0.2"]},
    nan={"rate": [0.1, np.nan]},
    complex={"rate": [0.1, 1j]},
    flags={"rate": [True, False]},
    nested={"rate": [[0.1, 0.2]]},
    missing={},
    misspelt={"rates": [0.1, 0.2]},
    too_many={"rate": [0.1, 0.2], "decay": [0.1, 0.2]},
    numbered={1: [0.1, 0.2]},
)
candidates = fixed(
    [{"rate": 0.1}, {"rate": 0.2}],
    none=None,
    empty=[],
    one={"rate": 0.1},
    many={"rate": [0.1, 0.2]},
    text="rate",
    number=3,
    numbers=[0.1, 0.2],
    pairs=[("rate", 0.1)],
    misspelt=[{"rate": 0.1}, {"rates": 0.2}],
    missing=[{"rate": 0.1}, {}],
    too_many=[{"rate": 0.1}, {"rate": 0.1, "decay": 0.5}],
    nan=[{"rate": 0.1}, {"rate": np.nan}],
)
options = {"none": None, "number": 0.1, "text": "abc", "bytes": b"ab", "empty": [], "nested": np.ones((2, 2))}
options |= {"mapping": {0.1: 1}, "set": {0.1, 0.2}, "scalar": np.array(0.1), "nan": [0.1, np.nan]}
ROWS = [
    call(
        "fn.training.fit_many",
        fn.training.fit_many,
        build=built,
        train=batch(DATA),
        keys=fixed(
            KEYS,
            none=None,
            number=0,
            one=jax.random.key(0),
            text="ab",
            list=[0, 1],
            floats=np.zeros((2, 2)),
            nested=jax.random.split(jax.random.key(0), (1, 2)),
            none_at_all=KEYS[:0],
            old=jax.random.PRNGKey(0),
            mixed=[jax.random.key(0), jax.random.PRNGKey(0)],
            words=np.zeros((2, 3), np.uint32),
        ),
        hyperparameters=numbers,
        validation=batch(DATA).but("none"),
        monitor=choice("cost"),
        evaluate_training=flag(True),
        mesh=fixed(None, text="all", number=2),
        devices=fixed(None, text="some", number=2),
        **settings | {"epochs": count(1, least=0)},
    ),
    call(
        "fn.training.fit_many",
        lambda monitor, **rest: fn.training.fit_many(build, DATA, keys=KEYS, monitor=monitor, **rest),
        monitor=fixed("cost", none=None),
        hyperparameters=numbers,
        **settings | {"epochs": count(1, least=0)},
    ),
    call(
        "fn.training.search",
        fn.training.search,
        build=built.also(rbm=lambda rate: (RBM, optax.sgd(rate))),
        candidates=candidates,
        train=batch(DATA),
        validation=batch(DATA),
        test=batch(DATA).but("none"),
        key=key(),
        monitor=choice("cost"),
        score_at=choice("best"),
        **settings,
    ),
    call(
        "fn.training.search",
        lambda monitor, progress: fn.training.search(
            lambda rate: (REGRESSION, optax.sgd(rate)),
            [{"rate": 0.1}],
            fn.Batch(X, X[:, :2]),
            fn.Batch(X, X[:, :2]),
            key=jax.random.key(0),
            epochs=1,
            monitor=monitor,
            progress=progress,
            batch_size=2,
        ),
        monitor=fixed("cost", no_classes="accuracy"),
        progress=progress,
    ),
    call(
        "fn.training.cross_validate",
        fn.training.cross_validate,
        build=fixed(
            lambda: (NET, optax.sgd(0.1)),
            **{
                "none": None,
                "pair": (NET, optax.sgd(0.1)),
                "needs more": build,
                "network alone": lambda: NET,
                "text": lambda: "ab",
                "rate": lambda: (NET, 0.1),
                "turned": lambda: (optax.sgd(0.1), NET),
                "rbm": lambda: (RBM, optax.sgd(0.1)),
                "nothing": lambda: None,
            },
        ),
        data=batch(REAL),
        folds=count(2, least=2)
        .but("list")
        .also(
            many=100,
            pair=(DATA, DATA),
            batch=DATA,
            single=[DATA],
            empty=[],
            short=[(DATA,)],
            later=[(DATA, DATA), (DATA, DATA._replace(inputs=X[:, :2]))],
            missing=[(DATA, DATA), (DATA, None)],
            unlabelled=[(DATA, DATA), (DATA, DATA._replace(targets=None))],
            small=[(DATA, DATA), (DATA._replace(inputs=X[:1], targets=DATA.targets[:1]), DATA)],
        ),
        key=key(),
        stratify=flag(True),
        **settings,
    ),
    call(
        "fn.training.pretrain",
        fn.training.pretrain,
        rbms=fixed(
            fn.training.rbm_stack([4, 3, 2]),
            none=None,
            empty=[],
            one=RBM,
            text="ab",
            number=3,
            sizes=[4, 3, 2],
            networks=[NET, NET],
            apart=[fn.rbm(4, 3), fn.rbm(2, 2)],
            mixed=[RBM, NET],
            upside_down=fn.training.rbm_stack([4, 3, 2])[::-1],
        ),
        optimizers=optimizer(optax.sgd(0.1)).also(
            short=[optax.sgd(0.1)], words=["sgd", "sgd"], rates=[0.1, 0.1], mixed=[optax.sgd(0.1), None], empty=[]
        ),
        train=batch(STATES).also(labelled=DATA._replace(inputs=STATES.inputs), above=fn.Batch(STATES.inputs * 2)),
        key=key(),
        epochs=count(1, least=0).also(short=[1], words=["1", "1"], fractions=[1, 1.5], empty=[]),
        batch_size=count(2).also(short=[1], words=["1", "1"], fractions=[1, 1.5], empty=[], many=100),
        validation=batch(STATES).but("none").also(labelled=DATA._replace(inputs=STATES.inputs)),
        gradient=gradient,
        evaluate_training=flag(True),
        progress=progress,
    ),
    call(
        "fn.training.rbm_stack",
        fn.training.rbm_stack,
        sizes=sizes([4, 3, 2]),
        code_units=choice("gaussian"),
        visible_units=choice("binary"),
        sampler=function(fn.boltzmann.contrastive_divergence()).also(itself=fn.boltzmann.contrastive_divergence),
        mean=fixed(np.full(4, 0.5), short=np.full(3, 0.5), above=np.full(4, 1.5), text="abc", nan=np.full(4, np.nan)),
        l2=number(0.1, 0),
        deviation=number(0.01, 0),
    ),
    call("fn.training.grid", fn.training.grid, rate=fixed([0.1, 0.2], **options), hidden=fixed(range(3, 5), **options)),
    call(
        "fn.training.sample",
        fn.training.sample,
        key=key(),
        count=count(2),
        rate=fixed(
            fn.training.uniform(0.1, 0.2),
            **options,
            of_text=lambda key: "ab",
            of_several=lambda key: np.ones(2),
            of_nan=lambda key: np.nan,
            of_none=lambda key: None,
            of_more=lambda key, other: 1.0,
        ),
    ),
    call("fn.training.uniform", fn.training.uniform, low=number(0.1).also(above=0.3), high=number(0.2)),
    call(
        "fn.training.log_uniform",
        fn.training.log_uniform,
        low=number(0.1, 0, open="low").also(above=0.3),
        high=number(0.2, 0, open="low"),
    ),
    call(
        "fn.training.momentum",
        fn.training.momentum,
        learning_rate=number(0.1, 0, open="low"),
        decay=number(0.9, 0, 1, open="high"),
        nesterov=flag(True),
    ),
]
