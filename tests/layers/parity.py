"""PyTorch's recurrent modules with our weights: the same outputs and the same gradients, in float64."""

import jax
import numpy as np
import pytest

from tests.contract.laws import assert_equal_leaves, derivations, drawn


def against_torch(module, layer, stacked):
    """Compare `layer` with the torch.nn class named `module`.

    `stacked` takes parameters or their gradient to (W, R, b, b'), torch's names weight_ih, weight_hh, bias_ih, bias_hh.
    """
    torch = pytest.importorskip("torch")
    with jax.enable_x64(True):
        params, x, d_y, _ = drawn(layer, 6, n=3, features=2)
        y, (d_params, d_x), _ = derivations(layer, params, x, d_y)
        theirs = getattr(torch.nn, module)(2, d_y.shape[-1]).double()
        weights = [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0, theirs.bias_hh_l0]
        with torch.no_grad():
            for weight, own in zip(weights, stacked(params, False), strict=True):
                weight.copy_(torch.tensor(np.asarray(own)))
        their_x = torch.tensor(np.asarray(x), requires_grad=True)
        their_y, _ = theirs(their_x)
        their_y.backward(torch.tensor(np.asarray(d_y)))
        gradients = [weight.grad.numpy() for weight in weights]
        assert_equal_leaves(y, their_y.detach().numpy(), "float64")
        assert_equal_leaves(d_x, their_x.grad.numpy(), "float64")
        assert_equal_leaves([np.asarray(leaf) for leaf in stacked(d_params, True)], gradients, "float64")
