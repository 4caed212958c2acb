import json
import math
import re

import jax
import pytest
from jax.sharding import AxisType, PartitionSpec

from experiments.benchmarks import accelerators as bench
from experiments.benchmarks import accelerators_arithmetic as arithmetic
from experiments.benchmarks import accelerators_page as page
from experiments.benchmarks.__main__ import main
from experiments.benchmarks.accelerators_arithmetic import Assumptions, Load, Step

ROUND = Assumptions(node=4, inside=10.0, outside=5.0, inside_latency=1.0, outside_latency=2.0)
FREE = Assumptions(inside=math.inf, outside=math.inf, inside_latency=0.0, outside_latency=0.0)
LOAD = Load(bytes=80, flops=1.0, passes=1, kernels=1, hideable=0.5, wide_bytes=40, wide_features=5)


@pytest.fixture(scope="module")
def small():
    """Both kinds of network, as small as they can be."""
    image = bench.vgg((4, 4, 1), "conv3-2 maxpool2 | fc-3 fc-2")._replace(counts=(1, 2), examples=2, together=16)
    return {"vgg-a": lambda: image, "lstm-1024": lambda: bench.lstm(3, 4, steps=2)._replace(counts=(1, 2))}


@pytest.fixture
def content(small, monkeypatch, tmp_path):
    """The content of a run of them."""
    monkeypatch.setattr(bench, "SUBJECTS", small)
    monkeypatch.setattr(bench, "GEMM_SIZE", 8)
    options = ["--rounds", "1", "--counts", "8", "16", "--out", str(tmp_path / "results")]
    assert bench.main(options) == 0
    return json.loads((tmp_path / "results" / "accelerators.json").read_text())


def test_the_networks_are_those_of_the_papers():
    # [Simonyan2014], table 2: 133 million parameters of configuration A; by hand 132 863 336, 4 bytes each
    vgg = bench.vgg()
    assert vgg.load.bytes == 4 * 132_863_336
    # 4 gates of 1024 cells that see 65 symbols, 1024 cells and a bias; 65 outputs that see 1024 cells and a bias
    assert bench.lstm().load.bytes == 4 * (4 * 1024 * (65 + 1024 + 1) + 65 * (1024 + 1))
    # fc: 7 · 7 · 512 inputs to 4096, 4096, 1000 units
    wide = 4096 * 25_089 + 4096 * 4097 + 1000 * 4097
    assert vgg.load.wide_bytes == 4 * wide
    assert vgg.load.wide_features == 25_088 + 4096 + 4096 + 1000
    # 3 x 3 windows at 224², 112², 56², 28², 14² positions; three products each, of which the first layer needs two
    first = 224**2 * 9 * 3 * 64
    convolved = first + 112**2 * 9 * 64 * 128 + 56**2 * 9 * (128 + 256) * 256
    convolved += 28**2 * 9 * (256 + 512) * 512 + 14**2 * 9 * 2 * 512 * 512
    dense = wide - 4096 - 4096 - 1000
    assert vgg.load.flops == 2 * (3 * (convolved + dense) - first)
    assert vgg.load.hideable == pytest.approx((2 * convolved - first) / (3 * (convolved + dense) - first))


def test_the_gradient_has_the_bytes_that_are_counted(small):
    for make in small.values():
        subject = make()
        params = jax.eval_shape(subject.net.init, jax.random.key(0))
        d_params = jax.eval_shape(subject.net.gradient, params, bench.batch(subject, 2))
        assert sum(4 * leaf.size for leaf in jax.tree.leaves(d_params)) == subject.load.bytes


@pytest.mark.parametrize("name", ["vgg-a", "lstm-1024"])
def test_the_compiled_program_sums_the_bytes_that_are_counted_at_once(small, name):
    subject = small[name]()
    own = PartitionSpec(None, "data") if subject.net.layer.is_sequential else PartitionSpec("data")
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    given = jax.eval_shape(subject.net.init, jax.random.key(0)), bench.batch(subject, 4)
    whole, cut = PartitionSpec(), bench.fn.Batch(own, own)
    with jax.set_mesh(mesh):
        gradient = jax.jit(subject.net.gradient, in_shardings=(whole, cut), out_shardings=whole)
        program = gradient.lower(*given).compile().as_text()
    (summed,) = re.findall(r"= (.*) all-reduce(?:-start)?\(", program)
    shapes = re.findall(r"f32\[([\d,]*)\]", summed)
    assert sum(4 * math.prod(map(int, shape.split(","))) for shape in shapes) == subject.load.bytes


def test_the_trace_of_a_dense_layer_is_its_input_and_its_weighted_input():
    # an example: 2 · 2 pixels in, 3 weighted inputs, 4 bytes each
    assert bench.trace_bytes(bench.vgg((2, 2, 1), "fc-3")) == 4 * (4 + 3)


@pytest.mark.parametrize("way", [arithmetic.flat, arithmetic.nested, arithmetic.tree])
def test_one_accelerator_says_nothing_to_others(way):
    assert way(1, 80.0, ROUND) == 0.0


def test_all_reduces_by_hand():
    # inside, p = 4: 2 · 3/4 · 80 / 10 + 2 · 3 · 1 = 18
    assert arithmetic.flat(4, 80.0, ROUND) == arithmetic.nested(4, 80.0, ROUND) == arithmetic.tree(4, 80.0, ROUND) == 18
    # one ring of 8 at the pace of the slow links: 2 · 7/8 · 80 / 5 + 2 · 7 · 2 = 56
    assert arithmetic.flat(8, 80.0, ROUND) == 56
    # 18, and 4 nodes that each sum a quarter of the bytes: 2 · 3/4 · 20 / 5 + 2 · 3 · 2 = 18
    assert arithmetic.nested(16, 80.0, ROUND) == 36
    # 18, and trees of depth 2: 2 · 20 / 5 + 2 · 2 · 2 = 16
    assert arithmetic.tree(16, 80.0, ROUND) == 34


def test_wide_layers_that_are_cut_by_hand():
    # the other 40 bytes inside: 2 · 3/4 · 40 / 10 + 6 = 12; features: 2 · 3 · 2 examples · 5 · 4 bytes / 10 = 24
    assert arithmetic.cut(4, 2, LOAD, ROUND) == 36
    # and between 2 nodes: the others 2 · 1/2 · 10 / 5 + 4 = 6, and a quarter of the wide ones the same
    assert arithmetic.cut(8, 2, LOAD, ROUND) == 48


def test_free_links_lose_nothing():
    own = arithmetic.step(LOAD, Assumptions(), share=0.5)
    for count in (1, 8, 64, 256):
        seconds = arithmetic.nested(count, LOAD.bytes, FREE)
        assert seconds == 0.0
        assert arithmetic.weak(own, 3, seconds, 0.5)[1:] == (1.0, 1.0)
        free_of_weights = own._replace(fixed=0.0)
        assert arithmetic.strong(free_of_weights, count, 256, seconds, 0.5).plain == pytest.approx(1.0)


def test_overlap_hides_what_the_backward_pass_lasts():
    # t(4) = 5, of which half of 4 seconds may hide 3 of communication: 1 is left
    found = arithmetic.weak(Step(1.0, 1.0), 4, 3.0, 0.5)
    assert found == (8.0, 5 / 8, 5 / 6)
    # and with 6 examples nothing
    assert arithmetic.hidden_from(Step(1.0, 1.0), 3.0, 0.5) == 6
    assert arithmetic.weak(Step(1.0, 1.0), 6, 3.0, 0.5).overlapped == 1.0


def test_what_does_not_depend_on_examples_limits_strong_scaling():
    # t(8) = 1 + 8 on one; 1 + 1 and no communication on 8: 9 / (8 · 2)
    assert arithmetic.strong(Step(1.0, 1.0), 8, 8, 0.0, 0.0).plain == 9 / 16


def test_the_least_number_of_examples_is_the_least():
    own, seconds = Step(0.5, 0.25), 1.0
    least = arithmetic.enough(own, seconds)
    assert arithmetic.weak(own, least, seconds, 0.0).plain >= 0.9 > arithmetic.weak(own, least - 1, seconds, 0.0).plain


def test_a_run_says_what_is_measured_and_what_is_assumed(content):
    content |= {"backend": "cpu"}
    assert [net["name"] for net in content["nets"]] == ["VGG-A", "LSTM 4"]
    assert all(set(net["samples"]) == {"1", "2"} for net in content["nets"])
    assert [case.origin for case in page.cases(content)] == ["assumed accelerator"] * 2
    text = page.markdown([content])
    for label in ("Counted: ", "Measured: ", "Assumed", "Computed: ", "machines like the one that measured"):
        assert f"### {label}" in text or label in text
    assert all(f"| assumed.{name} |" in text for name in content["settings"]["assumed"])
    assert set(page.REASONS) == set(content["settings"]["assumed"])


def test_the_page_computes_from_the_result_alone(content):
    # at best the second example takes 0.5 s for 8 FLOP; a product reaches 32 FLOP/s: half; b = FLOP / (half · gemm)
    content |= {"backend": "cpu"}
    (net, _) = content["nets"]
    net["samples"], net["load"]["flops"], net["gemm"] = {"1": [0.75, 0.9], "2": [1.25, 2.0]}, 8.0, 32.0
    assert page.measured(net) == Step(0.25, 0.5)
    assert page.share(net) == 0.5
    assert page.cases(content)[0].own.each == 8.0 / (0.5 * content["settings"]["assumed"]["gemm"])
    content["settings"]["assumed"]["share"] = 0.25
    assert page.cases(content)[0].own.each == 8.0 / (0.25 * content["settings"]["assumed"]["gemm"])


def test_an_accelerator_gives_its_own_step(content):
    content |= {"backend": "gpu", "device": "An accelerator"}
    for net in content["nets"]:
        net["samples"] = {"1": [0.6], "2": [1.0]}
    cases = page.cases(content)
    assert [case.own for case in cases] == [pytest.approx(Step(0.2, 0.4))] * 2
    assert "measured on An accelerator" in page.text(content)
    assert "machines like the one that measured, each" not in page.text(content)


def test_the_page_stands_beside_the_table(content, tmp_path, capsys):
    measured, readme = tmp_path / "measured", tmp_path / "README.md"
    options = ["--measured", str(measured), "--readme", str(readme), "--collect", str(tmp_path / "results")]
    assert main(["table", *options]) == 0
    assert "[SCALING.md](SCALING.md)" in readme.read_text()
    assert (tmp_path / "SCALING.md").read_text() == page.markdown([content])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nets", "alexnet"], "nets: ['alexnet'] came, expected some of vgg-a, lstm-1024"),
        (["--counts", "12"], "counts: one is 12, expected at most 8 or a multiple of it"),
        (["--counts", "24"], "counts: one is 24, expected a divisor of 256 examples"),
        (["--counts", "0"], "counts: one is 0"),
        (["--assumed.gemm", "0"], "assumed.gemm is 0.0, expected a finite number > 0.0; give FLOP/s"),
        (["--assumed.gap", "-1"], "assumed.gap is -1.0"),
        (["--assumed.share", "1.5"], "assumed.share is 1.5"),
        (["--assumed.node", "0"], "assumed.node is 0"),
        (["--rounds", "0"], "rounds is 0"),
    ],
)
def test_bad_options_are_refused(options, message, capsys):
    assert bench.main(options) == 2
    assert message in capsys.readouterr().err
