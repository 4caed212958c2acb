"""Valid calls of `fn.data`."""

import tempfile
from pathlib import Path

import jax
import numpy as np

import fnnets as fn
from tests.invalid.calls import call
from tests.invalid.kinds import array, batch, count, fixed, flag, instance, key, labels, number, path, shape

IMAGES = np.linspace(0, 1, 3 * 6 * 6, dtype=np.float32).reshape(3, 6, 6)
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
DATA = fn.Batch(X, np.arange(6) % 2)
DIGITS = fn.Batch(np.linspace(0, 1, 5 * 64, dtype=np.float32).reshape(5, 8, 8), np.arange(5))
SCENES = fn.data.scenes(DIGITS, 2, key=jax.random.key(0), shape=(48, 48), objects=1, sizes=(10, 14), fragments=2)
CODES = np.arange(9) % 3
ROWS_OF_TEXT = [np.ones((2, 3)), np.ones((4, 3))]
STEPS = [np.array([0, 1]), np.array([1, 0, 1, 1])]
BIG = 1e300  # float32 has no such number

FOLDER = Path(tempfile.mkdtemp())
FOREIGN = FOLDER / "foreign"
FOREIGN.write_text("no numbers at all")
(FOLDER / "tinyshakespeare.txt").write_text("First Citizen")
for stem, images, digits in (("train", (2, 3, 3), (2,)), ("t10k", (1, 3, 3), (1,))):
    for name, sizes in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", digits)):
        header = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">u4").tobytes()
        (FOLDER / name).write_bytes(header + bytes(int(np.prod(sizes))))

files = path(FOLDER / "t10k-labels-idx1-ubyte").also(
    missing=FOLDER / "none", folder=FOLDER, foreign=FOREIGN, empty="", nul="a\0b", below=FOREIGN / "a"
)
folders = path(FOLDER).but("none").also(missing="nowhere", file=FOREIGN, empty="", nul="a\0b")
pictures = array(IMAGES).but("size", "more axes").also(empty=IMAGES[:0], huge=IMAGES.astype(float) * BIG)
picture_shape = shape((6, 6)).but("none").also(long=(6, 6, 1, 1), other=(7, 7), short=(36,))
factors = fixed((0.9, 1.1), none=None, number=1.0, turned=(1.1, 0.9), zero=(0, 1), three=(1, 1, 1), text="ab",
                nan=(0.9, float("nan")), words=("a", "b"), infinite=(1, float("inf")))  # fmt: skip
examples = batch(DATA).but("targets none", "dataset_size zero", "dataset_size text", "inputs size", "inputs more axes",
    "targets above", "targets below", "targets floats", "targets more axes", "fields").also(
    fields={"inputs": X, "targets": DATA.targets}, fewer=DATA._replace(targets=DATA.targets[:3]),
    empty=fn.Batch(X[:0], DATA.targets[:0]))  # fmt: skip
unlabelled = examples.but("inputs no examples", "inputs nan", "inputs infinite")
training = array(X).but("size", "more axes").also(empty=X[:0], vector=X[0], huge=X.astype(float) * BIG)
sequences = fixed(ROWS_OF_TEXT, none=None, number=3, text="abc", empty=[], array=X, vectors=STEPS,
    features=[np.ones((2, 3)), np.ones((2, 2))], zero=[np.ones((0, 3)), np.ones((4, 3))], complex=[X * 1j, X],
    nan=[np.full((2, 3), np.nan), np.ones((4, 3))], wide=[X.astype(np.longdouble), X], words=[np.array([["a"]])],
    huge=[np.full((2, 3), BIG), np.ones((4, 3))], generator=iter(ROWS_OF_TEXT))  # fmt: skip
answers = fixed(STEPS, number=3, text="abc", short=STEPS[:1], other=STEPS[::-1], large=[STEPS[0] + 2**32, STEPS[1]],
    complex=[STEPS[0] * 1j, STEPS[1]], floats=[STEPS[0] * 0.5, STEPS[1] * 0.5], mixed=[STEPS[0], np.ones((4, 1))],
    nan=[np.full((2, 1), np.nan), np.ones((4, 1))], huge=[np.full((2, 1), BIG), np.ones((4, 1))],
    unsigned=[STEPS[0].astype(np.uint64) + 2**63, STEPS[1].astype(np.uint64)])  # fmt: skip
codes = labels(CODES, 3).but("short", "more axes", "number").also(large=CODES + 2**32, wide=CODES.astype(np.uint64) + 9)
text = fixed("abracadabra", none=None, number=3, bytes=b"abc", list=["a", "b"], empty="")
source = array(X).but("size", "more axes", "nan", "infinite", "text").also(path="nowhere.npy", scalar=np.float32(1))
optional_key, yes, no = key().but("none"), flag(True), flag(False)

ROWS = [
    call("fn.data.translate", fn.data.translate, images=pictures, pixels=number(1.0, 0), key=key(),
         image_shape=picture_shape),
    call("fn.data.rotate", fn.data.rotate, images=pictures, degrees=number(9.0, 0), key=key(),
         image_shape=picture_shape),
    call("fn.data.scale", fn.data.scale, images=pictures, factors=factors, key=key(), image_shape=picture_shape),
    call("fn.data.augment", fn.data.augment, images=pictures, key=key(), pixels=number(1.0, 0),
         degrees=number(9.0, 0), factors=factors, image_shape=picture_shape),
    call("fn.data.affine", fn.data.affine, images=pictures, shifts=array(np.ones((3, 2))).but("none"),
         degrees=array(np.ones(3)).but("none"), factors=array(np.ones(3)).but("none").also(zero=np.zeros(3)),
         image_shape=picture_shape),
    call("fn.data.shift", fn.data.shift, images=pictures, dy=count(1).but("below", "far below"),
         dx=count(-1).but("below", "far below"), image_shape=picture_shape),
    call("fn.data.nudge", fn.data.nudge,
         batch=batch(fn.Batch(IMAGES, np.arange(3))).but("inputs size", "inputs more axes", "targets above",
         "targets below", "targets floats", "targets more axes", "dataset_size zero", "dataset_size text",
         "inputs no examples", "targets none"), image_shape=picture_shape),
    call("fn.data.mnist", fn.data.mnist, data_dir=folders,
         divisor=number(256, 1), validation=count(1, 0)),
    call("fn.data.read_idx", fn.data.read_idx, path=files),
    call("fn.data.memory_map", fn.data.memory_map, path=files),
    call("fn.data.shakespeare", fn.data.shakespeare, data_dir=folders),
    call("fn.data.standardisation", fn.data.standardisation, inputs=training),
    call("fn.data.whitening", fn.data.whitening, inputs=training.also(images=IMAGES),
         epsilon=number(0.1, 0, open="low")),
    call("fn.data.embedded_reber", fn.data.embedded_reber, key=key(), n=count(2), unique=no),
    call("fn.data.reber_strings", fn.data.reber_strings, key=key(), n=count(2), unique=no),
    call("fn.data.legal_next", fn.data.legal_next, string=fixed("BTBTXSETE", none=None, number=3, list=["B"], empty="",
         other="BTX", begin="BTBTX", longer="BTBTXSETEE", bytes=b"BTBTXSETE")),
    call("fn.data.scenes", fn.data.scenes, digits=examples._replace(valid=DIGITS).also(
         unlabelled=DIGITS._replace(targets=None), oblong=DIGITS._replace(inputs=np.ones((5, 8, 4)))), count=count(1),
         key=key(), shape=shape((48, 48)).also(long=(48, 48, 1), small=(4, 4)), objects=count(1).also(many=99),
         sizes=fixed((10, 14), none=None, number=12, turned=(14, 10), zero=(0, 4), three=(1, 2, 3), text="ab",
                     nan=(10, float("nan")), infinite=(10, float("inf"))), fragments=count(1, 0)),
    call("fn.data.crops", fn.data.crops, scenes=instance(SCENES, SCENES.images, DIGITS), size=count(8), key=key(),
         background=count(10, 0).also(large=2**32), per_object=count(1, 0), per_scene=count(1, 0),
         shift=number(0.1, 0), zoom=number(1.1, 1)),
    call("fn.data.pad", fn.data.pad, sequences=sequences, targets=answers.also(none=None),
         length=count(5).but("none").also(short=2)),
    call("fn.data.bucket", fn.data.bucket, sequences=sequences, targets=answers.also(none=None),
         boundaries=fixed((2, 4), none=None, number=3, text="ab", empty=(), turned=(4, 2), short=(2, 3), zero=(0, 4),
                          floats=(2.0, 4.0), flags=(True, 4))),
    call("fn.data.unpad", fn.data.unpad, values=array(np.ones((3, 2, 1))).but("size", "nan", "infinite"),
         mask=array(np.ones((3, 2), bool)).also(floats=np.ones((3, 2)))),
    call("fn.data.stream", fn.data.stream, inputs=source, targets=source.but("none").also(fewer=X[:2]),
         mask=fixed(None, text="abc", number=3, floats=np.ones((6, 4)), complex=X * 1j, path="nowhere.npy"),
         block=count(2), pool=count(2), transform=fixed(None, text="f", number=3, list=[len]),
         weights=fixed(None, text="abc", number=3, path="nowhere.npy", words=np.array(["a"] * 6))),
    call("fn.data.class_weights", fn.data.class_weights,
         targets=codes.also(floats=CODES / 3, rows=np.full((2, 2), 0.5)),
         of_classes=array(np.ones(3)).but("none").also(below=-np.ones(3), fewer=np.ones(2))),
    call("fn.data.split", fn.data.split, batch=unlabelled, parts=fixed((3, 3), none=None, number=0.5, text="half",
         one=(6,), sum=(3, 4), empty=(6, 0), negative=(7, -1), flags=(True, True), words=("a", "b"),
         nan=(0.5, float("nan")), mixed=(3, 3.0), complex=(0.5, 0.5j), nested=((3,), (3,)), infinite=(0.5, np.inf)),
         key=optional_key, stratify=no, sequences=no.but("none")),
    call("fn.data.k_fold", fn.data.k_fold, batch=unlabelled, k=count(2, 2).also(many=7), key=optional_key, stratify=no,
         sequences=no.but("none")),
    call("fn.data.bootstrap", fn.data.bootstrap, batch=unlabelled, key=key(), sequences=no.but("none")),
    call("fn.data.bootstraps", fn.data.bootstraps, batch=unlabelled, count=count(2), key=key(),
         sequences=no.but("none")),
    call("fn.data.adding", fn.data.adding, key=key(), n=count(2), length=count(4, 2)),
    call("fn.data.copying", fn.data.copying, key=key(), n=count(2), delay=count(2), symbols=count(3), length=count(2)),
    call("fn.data.copying_baseline", fn.data.copying_baseline, delay=count(2), symbols=count(3), length=count(2)),
    call("fn.data.temporal_order", fn.data.temporal_order, key=key(), n=count(2), length=count(10, 10),
         relevant=count(2, 2).also(four=4)),
    call("fn.data.long_lag", fn.data.long_lag, key=key(), n=count(2), lag=count(3, 2)),
    call("fn.data.one_hot", fn.data.one_hot, codes=codes, size=count(3)),
    call("fn.data.segments", fn.data.segments, codes=codes.also(short=CODES[:1], **{"more axes": CODES[None]}),
         length=count(2).also(long=99), size=count(3)),
    call("fn.data.streams", fn.data.streams, codes=codes.also(short=CODES[:1], **{"more axes": CODES[None]}),
         length=count(2).also(long=99), size=count(3), batch_size=count(2).also(many=9)),
    call("fn.data.vocabulary", fn.data.vocabulary, text=text),
]  # fmt: skip

TAKES_ANYTHING = dict.fromkeys(
    ("fn.data.digits", "fn.data.digits_as_pixels", "fn.data.digits_as_rows", "fn.data.python_topics"),
    "takes no arguments",
)
