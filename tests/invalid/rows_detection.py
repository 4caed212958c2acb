"""Valid calls of `fn.detection`."""

import jax
import numpy as np

import fnnets as fn
from fnnets.detection import boxes
from tests.invalid.calls import call
from tests.invalid.kinds import array, count, fixed, flag, instance, network, number, params

SIGMOID = fn.objectives.sigmoid_cross_entropy
NET = fn.convolutional((8, 8, 1), "conv3-2 maxpool2 | fc-3", objective=SIGMOID)
DENSE = fn.feedforward([4, 3], objective=SIGMOID)
PARAMS = NET.init(jax.random.key(0))
IMAGES = np.linspace(0, 1, 16 * 16, dtype=np.float32).reshape(1, 16, 16, 1)
FOUND = boxes.make([[0, 0, 8, 8], [0, 1, 8, 9], [9, 9, 17, 17]], [3, 3, 5], [0.6, 0.9, 0.7])
TRUTH = boxes.make([[0, 0, 8, 8]], [3])

images = array(IMAGES).also(
    **{"one image": IMAGES[0]}, grey=IMAGES[..., 0], small=IMAGES[:, :4], huge=IMAGES.astype(float) * 1e300,
    uint=IMAGES[..., 0].astype(np.uint8),
)  # fmt: skip
net = network(NET).also(dense=DENSE)
own = params(PARAMS).but("nan").also(other=DENSE.init(jax.random.key(0)))
scales = fixed([1.0, 0.5], none=None, number=0.5, text="half", zero=[0.0], negative=[-1.0], nan=[float("nan")],
    words=["a"], infinite=[float("inf")], tiny=[1e-3], empty=[], flag=[True])  # fmt: skip


def found(valid):
    edges, scores, classes = valid
    wrong = {
        "edges": valid._replace(edges=edges[:, :3]), "turned": valid._replace(edges=edges[:, ::-1]),
        "edges nan": valid._replace(edges=edges * np.nan), "edges words": valid._replace(edges="abc"),
        "scores": valid._replace(scores=np.append(scores, 1)), "scores nan": valid._replace(scores=scores * np.nan),
        "scores infinite": valid._replace(scores=scores * np.inf), "scores none": valid._replace(scores=None),
        "classes": valid._replace(classes=classes[:-1]), "classes floats": valid._replace(classes=classes + 0.5),
        "classes none": valid._replace(classes=None), "dict": valid._asdict(),
    }  # fmt: skip
    return instance(valid, edges).also(**wrong)


edges = array(TRUTH.edges).also(turned=TRUTH.edges[:, ::-1], flat=np.zeros(4), short=np.ones((2, 3)))
overlap = number(0.5, 0, 1)

ROWS = [
    call("fn.detection.map_stride", fn.detection.map_stride, net=net),
    call("fn.detection.class_map", fn.detection.class_map, net=net, params=own, images=images,
         borders_differ=flag(False)),
    call("fn.detection.stitched_map", fn.detection.stitched_map, net=net, params=own, images=images,
         borders_differ=flag(False)),
    call("fn.detection.exhaustive_map", fn.detection.exhaustive_map, net=net, params=own, images=images,
         stride=fixed(4, none=None, zero=0, negative=-1, fraction=1.5, text="a", three=(1, 2, 3), flag=True),
         block=count(4)),
    call("fn.detection.pyramid", fn.detection.pyramid,
         images=images.but("size", "small").also(empty=IMAGES[:, :, :0]), scales=scales),
    call("fn.detection.detect", fn.detection.detect, net=net, params=own, images=images,
         scales=scales, threshold=number(0.5, 0, 1), background=count(1, 0).but("none").also(many=3),
         overlap=number(0.3, 0, 1), per_class=flag(True), borders_differ=flag(False)),
    call("fn.detection.overlaps", fn.detection.overlaps, a=edges, b=edges),
    call("fn.detection.suppress", fn.detection.suppress, boxes=found(FOUND), overlap=number(0.3, 0, 1),
         per_class=flag(True)),
    call("fn.detection.match", fn.detection.match, found=found(FOUND), truth=found(TRUTH), overlap=overlap),
    call("fn.detection.average_precision", fn.detection.average_precision,
         hits=array(np.array([True, False, True])).but("complex", "wide").also(
             numbers=[0, 1, 2], **{"many": [True] * 3}, floats=[0.5, 0.5, 1.0], complex=[1j, 0, 0]),
         scores=array(np.array([0.9, 0.8, 0.7])), truths=count(2).also(few=1)),
    call("fn.detection.evaluate", fn.detection.evaluate,
         found=fixed([FOUND], none=None, boxes=FOUND, number=3, text="a", more=[FOUND, FOUND], entry=["a"], empty=[],
                     nan=[FOUND._replace(scores=FOUND.scores * np.nan)]),
         truth=fixed([TRUTH], none=None, boxes=TRUTH, number=3, text="a", more=[TRUTH, TRUTH], entry=["a"], empty=[],
                     nothing=[boxes.make([], [])], nan=[TRUTH._replace(edges=TRUTH.edges * np.nan)]),
         threshold=number(0.5), overlap=overlap),
]  # fmt: skip
