"""Declared shapes: what is read, what is refused, and that a layer's functions give two values each."""

import jax
import jax.numpy as jnp
import pytest

import fnnets as fn
from fnnets.core import shapes

KEY, CONTEXT = jax.random.key(0), fn.Context()


def gain(**others):
    """y = g x, for one gain g of each feature."""
    return fn.Layer(
        lambda key, shape: (jnp.ones(shape), shape),
        lambda gain, x, context: (gain * x, x),
        lambda gain, x, d_y: (jnp.sum(d_y * x, axis=0), d_y * gain),
        "gain",
        **{"expects": "x (N, p), params (p)", **others},
    )


@pytest.mark.parametrize(
    ("text", "x", "params"),
    [
        ("x (…, p)", ("…", "p"), {}),
        ("x (..., p), weights (q, p)", ("…", "p"), {"weights": ("q", "p")}),
        ("x (T, N, m), input_gate.weights (h, m)", ("T", "N", "m"), {"input_gate.weights": ("h", "m")}),
        ("x (N, H, W, C), 0.w (h, w, C, K), 1 (K)", shapes.IMAGE, {"0.w": ("h", "w", "C", "K"), "1": ("K",)}),
    ],
)
def test_declarations_are_read(text, x, params):
    assert shapes.parsed(text) == (x, params)


@pytest.mark.parametrize(
    "text", ["p", "x", "x p", "x ()", "weights (q, p)", "x (p)", "x (T, p)", "x (N, p) weights (p)"]
)
def test_other_declarations_are_refused(text):
    with pytest.raises(ValueError, match=r"gain: expects is .*expected shapes in letters.*write"):
        gain(expects=text)


@pytest.mark.parametrize(
    ("params", "x", "error", "message"),
    [
        (
            jnp.ones(3),
            jnp.ones((4, 2)),
            ValueError,
            r"x has shape \(4, 2\), expected \(N, 3\); give it as many features",
        ),
        (
            jnp.ones(3),
            jnp.ones((4, 2, 3)),
            ValueError,
            r"x has shape \(4, 2, 3\), expected \(N, 3\); it has 3 axes, give it 2",
        ),
        (
            jnp.ones((3, 3)),
            jnp.ones((4, 3)),
            ValueError,
            r"params has shape \(3, 3\), expected \(p\); take params from",
        ),
        ((), jnp.ones((4, 3)), TypeError, "params is of type tuple, which has no array params, expected what"),
    ],
)
def test_input_that_does_not_fit_is_refused(params, x, error, message):
    for call in (gain().forward, jax.jit(gain().forward)):
        with pytest.raises(error, match=f"gain: {message}"):
            call(params, x, CONTEXT)


def test_parameters_by_name_key_and_position():
    with pytest.raises(ValueError, match=r"expected \(N, 3\); give it as many features as its 1.w \(q, p\) have, 3"):
        gain(expects="x (N, p), 1.w (q, p)").forward((0, {"w": jnp.ones((5, 3))}), jnp.ones((4, 2)), CONTEXT)
    with pytest.raises(TypeError, match=r"which has no array 2.w, expected what this layer's init gives"):
        gain(expects="x (N, p), 2.w (q, p)").forward((0, 1), jnp.ones((4, 2)), CONTEXT)


def test_letters_may_stand_on_either_side_of_the_open_axes():
    layer = gain(expects="x (T, N, …, p), params (p)", time="sequence to sequence")
    layer.forward(jnp.ones(3), jnp.ones((5, 4, 3)), CONTEXT)
    layer.forward(jnp.ones(3), jnp.ones((5, 4, 7, 3)), CONTEXT)
    with pytest.raises(ValueError, match="sequences are time-major"):
        layer.forward(jnp.ones(3), jnp.ones((4, 3)), CONTEXT)
    with pytest.raises(ValueError, match="without the axes of time and batch"):
        layer.init(KEY, ())


def test_sequences_have_steps_a_mask_and_no_state_unless_the_layer_carries_one():
    layer = gain(expects="x (T, N, p), params (p)", time="sequence to sequence")
    x = jnp.ones((5, 4, 3))
    with pytest.raises(ValueError, match=r"gain: x has shape .*: no steps"):
        layer.forward(jnp.ones(3), x[:0], CONTEXT)
    for mask in (jnp.ones((4, 5), bool), jnp.ones((5, 4))):
        with pytest.raises(ValueError, match=r"gain: mask has shape .*expected \(5, 4\) of bool"):
            layer.forward(jnp.ones(3), x, fn.Context(mask=mask))
    with pytest.raises(ValueError, match="gain: a state is handed on"):
        layer.forward(jnp.ones(3), x, fn.Context(state=(jnp.ones((4, 3)),)))


def test_examples_of_another_rank_are_refused_by_init():
    with pytest.raises(ValueError, match=r"gain: examples have shape \(2, 3\), expected one axis \(p,\); put flatten"):
        gain().init(KEY, (2, 3))
    with pytest.raises(ValueError, match=r"gain: examples have shape \(2,\), expected \(a, b\); give examples"):
        gain(expects="x (N, a, b)").init(KEY, (2,))


def test_a_letter_that_comes_twice_has_one_size():
    layer = gain(expects="x (N, p), 0 (q, p), 1 (q)")
    with pytest.raises(
        ValueError, match=r"gain: 1 has shape \(7,\), expected \(q\) with q = 2, as 0 has it; take params"
    ):
        layer.forward((jnp.ones((2, 3)), jnp.ones(7)), jnp.ones((4, 3)), CONTEXT)
    with pytest.raises(ValueError, match=r"gain: params has shape \(3, 5\), expected \(p, p\) with p = 3"):
        gain(expects="x (N, p), params (p, p)").forward(jnp.ones((3, 5)), jnp.ones((4, 3)), CONTEXT)
    with pytest.raises(ValueError, match=r"gain: x has shape \(4, 3, 5\), expected \(N, q, q\); .*its x .* have, 3"):
        gain(expects="x (N, q, q)").forward((), jnp.ones((4, 3, 5)), CONTEXT)


def test_values_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"gain: expects is 3, expected a string; write"):
        gain(expects=3)
    with pytest.raises(TypeError, match=r"gain: x is of type list, expected an array; write jnp.asarray"):
        gain().forward(jnp.ones(3), [[1.0, 2.0, 3.0]], CONTEXT)
    with pytest.raises(TypeError, match=r"gain: init is given the shape 3, expected a tuple; write \(3,\)"):
        gain().init(KEY, 3)
    with pytest.raises(TypeError, match=r"Layer: exepcts is no argument, expected init, .*; write expects=…"):
        gain(exepcts="x (N, p)")
    with pytest.raises(TypeError, match=r"Layer: backward is missing, .*; write Layer\(init, forward, backward\)"):
        fn.Layer(len, len)


def test_a_check_of_ones_own_runs_after_the_letters():
    def check(params, x, context):
        raise ValueError(f"gain: {x.shape[1]} features came")

    with pytest.raises(ValueError, match="3 features came"):
        gain(check=check).forward(jnp.ones(3), jnp.ones((4, 3)), CONTEXT)
    with pytest.raises(ValueError, match="expected \\(N, 3\\)"):
        gain(check=check).forward(jnp.ones(3), jnp.ones((4, 2)), CONTEXT)


@pytest.mark.parametrize(
    ("name", "function", "came"),
    [
        ("init", lambda key, shape: jnp.ones(shape), r"one array of shape \(.*\)"),
        ("forward", lambda gain, x, context: gain * x, r"one array of shape \(.*\)"),
        ("forward", lambda gain, x, context: (x, x, x), "a tuple of length 3"),
        ("backward", lambda gain, x, d_y: [d_y], "a list of length 1"),
        ("backward", lambda gain, x, d_y: fn.Batch(d_y, x), "one value of type Batch"),
        ("backward", lambda gain, x, d_y: None, "one value of type NoneType"),
    ],
)
def test_functions_that_give_other_than_two_values_are_named(name, function, came):
    arguments = {
        "init": (KEY, (3,)),
        "forward": (jnp.ones(3), jnp.ones((2, 3)), CONTEXT),
        "backward": (jnp.ones(3), 2, 3),
    }
    with pytest.raises(TypeError, match=rf"gain: {name} returned {came}, expected two, \(.*\); return both"):
        getattr(gain()._replace(**{name: function}), name)(*arguments[name])


def test_a_layer_is_named_within_a_network():
    broken = gain()._replace(forward=lambda gain, x, context: gain * x)
    with pytest.raises(TypeError, match="gain: forward returned one array"):
        fn.network(fn.chain(broken, fn.layers.dense(2)), fn.objectives.linear_squared_error, (3,)).predict(
            (jnp.ones(3), fn.layers.dense(2).init(KEY, (3,))[0]), jnp.ones((4, 3))
        )


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match=r"gain: backward is 3, expected a function; write fn.Layer\(init"):
        gain()._replace(backward=3)


def test_functions_of_another_layer_keep_its_checks():
    dense = fn.layers.dense(2)
    params, _ = dense.init(KEY, (3,))
    own = fn.Layer(dense.init, dense.forward, lambda params, trace, d_y: (params, d_y), "own")
    with pytest.raises(ValueError, match="dense: x has shape"):
        own.forward(params, jnp.ones((4, 2)), CONTEXT)


def test_replacing_a_part_keeps_the_checks_and_stacks_none():
    renamed = gain()._replace(name="amplifier")._replace(window=None)
    assert not hasattr(renamed.forward.unchecked, "unchecked")
    with pytest.raises(ValueError, match="amplifier: x has shape"):
        renamed.forward(jnp.ones(3), jnp.ones((4, 2)), CONTEXT)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"time": "seq"}, ValueError, "gain: time is 'seq', expected 'pointwise', .* or 'sequence to vector'; choose"),
        ({"start": 3}, TypeError, "gain: start is 3, expected a function; None stands for none"),
        ({"check": "x"}, TypeError, "gain: check is 'x', expected a function; None"),
        ({"name": 3}, TypeError, "Layer: name is 3, expected a string; give"),
    ],
)
def test_fields_of_another_kind_are_refused(fields, error, message):
    with pytest.raises(error, match=message):
        gain()._replace(**fields)


def test_the_output_shape_that_init_gives_is_a_shape():
    for came, remedy in ((3, r"return \(params, \(3,\)\)"), (None, "give the shape"), ((2.5,), "give the shape")):
        layer = gain(expects="")._replace(init=lambda key, shape, came=came: ((), came))
        with pytest.raises(TypeError, match=rf"gain: init returned the output_shape .*, expected a tuple .*; {remedy}"):
            layer.init(KEY, (3,))


@pytest.mark.parametrize("shape", [(2.5,), (0,), (-1,), (True,), ("3",)])
def test_sizes_of_an_example_are_whole_and_positive(shape):
    with pytest.raises((TypeError, ValueError), match=r"gain: init is given the shape .*expected a tuple of ints >= 1"):
        gain().init(KEY, shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer.forward(1, 2), r"gain: forward: context is missing, .*forward\(params, x, context\)"),
        (lambda layer: layer.forward(1, 2, CONTEXT, 4), "gain: forward: 4 arguments are given by position, expected"),
        (lambda layer: layer.init(KEY), "gain: init: shape is missing"),
        (lambda layer: layer.backward(1, 2, dy=3), "gain: backward: dy is no argument, .*params, trace or d_y;"),
        (lambda layer: layer.init(3, (3,)), "gain: init: key is 3, expected one PRNG key"),
        (
            lambda layer: layer.forward(jnp.ones(3), jnp.ones((2, 3)), KEY),
            "gain: context is of type",
        ),
        (lambda layer: layer.forward(jnp.ones(3), jnp.ones((2, 3)), fn.Context(3)), "gain: context.key is 3, expected"),
        (
            lambda layer: layer.forward(jnp.ones(3, int), jnp.ones((2, 3)), CONTEXT),
            "params has dtype int32",
        ),
        (lambda layer: layer.forward(jnp.ones(3), jnp.ones((2, 3), complex), CONTEXT), "gain: x has dtype complex64"),
    ],
)
def test_calls_with_other_arguments_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call(gain())


LAYERS = {
    "dense": (fn.layers.dense(2, fn.activations.tanh), (3,)),
    "stochastic": (fn.layers.stochastic(2), (3,)),
    "activate": (fn.layers.activate(fn.activations.tanh), (3,)),
    "convolution": (fn.layers.convolution(2, 2), (4, 4, 1)),
    "locally_connected": (fn.layers.locally_connected(2, 2), (4, 4, 1)),
    "max_pooling": (fn.layers.max_pooling(2), (4, 4, 1)),
    "free_energy": (fn.layers.free_energy(2), (3,)),
    "tied": (fn.layers.tied(fn.chain(fn.layers.dense(2), fn.layers.dense(3))), (3,)),
    "lstm": (fn.layers.lstm(2), (3,)),
    "gru, plain": (fn.layers.gru(2, implementation="plain"), (3,)),
    "last of recurrent": (fn.layers.recurrent(2, return_sequences=False), (3,)),
    "bidirectional": (fn.layers.bidirectional(fn.layers.gru(2)), (3,)),
    "unfold": (fn.layers.unfold(2, steps=5), (3,)),
    "chain": (fn.chain(fn.layers.flatten(), fn.layers.dense(2)), (4, 4, 1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_cotangent_of_another_shape_and_a_trace_of_another_layer_are_refused(name):
    layer, shape = LAYERS[name]
    params, _ = layer.init(KEY, shape)
    leading = (5, 4) if layer.is_sequential else (4,)
    y, trace = layer.forward(params, jnp.ones((*leading, *shape)), CONTEXT)
    layer.backward(params, trace, y)  # the fault: the right ones pass
    for wrong in (y[:-1], y[..., :1] if y.shape[-1] > 1 else y[..., 0], y[None]):
        with pytest.raises(ValueError, match=r"d_y has shape .*, expected .*, as the layer's answer has; give"):
            layer.backward(params, trace, wrong)
    for wrong in (None, 1.0, y.astype(int)):
        with pytest.raises(TypeError, match=r"d_y .*, expected an array of floats of shape .*; give the derivative"):
            layer.backward(params, trace, wrong)
    with pytest.raises(TypeError, match=r"trace is of type int, expected .*Trace, as this layer's forward gives it;"):
        layer.backward(params, 3, y)


def test_a_trace_of_the_other_implementation_is_refused():
    fast, plain = (fn.layers.gru(2, implementation=each) for each in ("fast", "plain"))
    params, _ = fast.init(KEY, (3,))
    y, trace = fast.forward(params, jnp.ones((5, 4, 3)), CONTEXT)
    with pytest.raises(TypeError, match=r"gru: trace is of type ScanTrace, expected CellTrace, .*same implementation"):
        plain.backward(params, trace, y)


def test_a_chain_has_parameters_traces_and_states_of_each_part():
    layer = fn.chain(fn.layers.dense(2), fn.layers.dense(3))
    params, _ = layer.init(KEY, (3,))
    y, trace = layer.forward(params, jnp.ones((4, 3)), CONTEXT)
    for wrong in (params[:1], None, {"w": 1}):
        with pytest.raises(TypeError, match=r"chain: params is .*, expected a tuple of 2, one for each layer; take"):
            layer.forward(wrong, jnp.ones((4, 3)), CONTEXT)
        with pytest.raises(TypeError, match=r"chain: params is .*, expected a tuple of 2"):
            layer.backward(wrong, trace, y)
    with pytest.raises(TypeError, match="chain: trace is 1 parts, expected a tuple of 2"):
        layer.backward(params, trace._replace(parts=trace.parts[:1]), y)
    with pytest.raises(TypeError, match="chain: state is 1 parts, expected a tuple of 2"):
        layer.forward(params, jnp.ones((4, 3)), fn.Context(state=(None,)))


PARTS = {
    "dense": (("biases",), lambda params: params._replace(biases=params.biases[:1])),
    "stochastic": (("biases",), lambda params: params._replace(biases=params.biases[:1])),
    "convolution": (("biases",), lambda params: params._replace(biases=params.biases[:1])),
    "locally_connected": (("biases",), lambda params: params._replace(biases=params.biases[:1])),
    "free_energy": (("hidden_biases",), lambda params: params._replace(hidden_biases=params.hidden_biases[:1])),
    "lstm": (
        ("output_gate.biases",),
        lambda params: params._replace(output_gate=params.output_gate._replace(biases=jnp.ones(1))),
    ),
    "gru, plain": (("recurrent_biases",), lambda params: params._replace(recurrent_biases=jnp.ones(1))),
    "last of recurrent": (
        ("recurrent_weights",), lambda params: params._replace(recurrent_weights=params.recurrent_weights[:, :1]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_parameters_that_would_broadcast_are_refused(name):
    (layer, shape), ((path,), change) = LAYERS[name], PARTS[name]
    params, _ = layer.init(KEY, shape)
    x = jnp.ones((*((5, 4) if layer.is_sequential else (4,)), *shape))
    with pytest.raises(
        ValueError, match=rf"{path} has shape .*, expected .* = \d+, as .* has it; take params from init"
    ):
        layer.forward(change(params), x, CONTEXT)


def test_filters_of_another_window_are_refused():
    for name in ("convolution", "locally_connected"):
        layer, shape = LAYERS[name]
        params, _ = layer.init(KEY, shape)
        params = params._replace(weights=params.weights[..., :1, :, :, :])
        with pytest.raises(
            ValueError, match=f"{name}: weights has shape .* windows of 1 x 2 pixels, expected 2 x 2; tak"
        ):
            layer.forward(params, jnp.ones((4, *shape)), CONTEXT)


@pytest.mark.parametrize(
    ("layer", "shape", "wrong"),
    [
        (fn.layers.dropout(0.5), (3,), (1, 3)),
        (fn.layers.dropout(0.5, whole_batch=True), (3,), (4, 1)),
        (fn.layers.corruption(0.5), (3,), (1, 3)),
        (fn.layers.flatten(), (2, 2), (4, 3)),
        (fn.layers.mean_pooling(2), (4, 4, 1), (4, 1, 1, 1)),
        (fn.layers.last_step(), (3,), (1, 3)),
    ],
    ids=str,
)
def test_cotangents_that_would_broadcast_are_refused(layer, shape, wrong):
    x = jnp.ones((*((5, 4) if layer.is_sequential else (4,)), *shape))
    y, trace = layer.forward((), x, fn.Context(KEY))
    assert layer.backward((), trace, y)[1].shape == x.shape
    with pytest.raises(ValueError, match=r"d_y has shape .*, expected .*, as the layer's answer has; give"):
        layer.backward((), trace, jnp.ones(wrong))


@pytest.mark.parametrize("layer", [fn.layers.dropout(0.5), fn.layers.corruption(0.1), fn.layers.flatten()], ids=str)
def test_layers_of_any_shape_take_arrays_alone(layer):
    with pytest.raises(TypeError, match=r"x is of type list, expected an array; write jnp.asarray\(x\)"):
        layer.forward((), [[1.0, 2.0]], CONTEXT)


def test_steps_of_a_stream_are_steps():
    layer = fn.layers.gru(2)
    params, _ = layer.init(KEY, (3,))
    state = layer.start(params, 4)
    layer.step(params, state, jnp.ones((4, 3)))
    for wrong in (jnp.ones((5, 4, 3)), jnp.ones((4, 2)), jnp.ones(3)):
        with pytest.raises(ValueError, match=r"gru: x has shape .*, expected \(N, 3\); "):
            layer.step(params, state, wrong)
    with pytest.raises(TypeError, match=r"gru: start: n is missing, .*; write start\(params, n\)"):
        layer.start(params)
    for wrong in ("2", 2.0, None, True):
        with pytest.raises(TypeError, match=r"gru: start: n is .*, expected an int; give the number of sequences"):
            layer.start(params, wrong)


def test_functions_of_a_layer_take_its_arguments():
    for name in ("init", "forward", "backward", "start", "step"):
        with pytest.raises(TypeError, match=rf"gain: {name} takes the arguments \(a\), expected \(.*\); give it these"):
            gain()._replace(**{name: lambda a: a})


def test_a_network_holds_what_its_layer_announces():
    layer = gain()._replace(forward=lambda gain, x, context: (x[:, :1], x))
    with pytest.raises(
        ValueError, match=r"takes examples \(N, …\) = \(2, 3\) to \(2, 1\), expected \(2, 3\); correct the"
    ):
        fn.network(layer, fn.objectives.linear_squared_error, (3,))


def test_parameters_of_the_inner_layer_are_not_those_of_the_outer_one():
    for name in ("bidirectional", "tied"):
        layer, shape = LAYERS[name]
        params, _ = layer.init(KEY, shape)
        x = jnp.ones((*((5, 4) if layer.is_sequential else (4,)), *shape))
        with pytest.raises(TypeError, match=rf"{name}: params is .*, expected .*Params; take the parameters from this"):
            layer.forward(params[0], x, CONTEXT)


def test_another_forward_may_have_another_trace():
    layer = fn.layers.dense(2)
    params, _ = layer.init(KEY, (3,))
    own = layer._replace(
        forward=lambda params, x, context: (layer.forward(params, x, context)[0], x),
        backward=lambda params, x, d_y: (params, d_y @ params.weights),
    )
    y, trace = own.forward(params, jnp.ones((4, 3)), CONTEXT)
    assert own.backward(params, trace, y)[1].shape == (4, 3)
