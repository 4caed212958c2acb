"""The statements of P. E. Rauber's *Notes on Neural Networks*, by number, and what they are in a recurrent network.

    feedforward   (1) δ of the output layer, (2) δ of a hidden one, (3)-(6) gradients of biases and weights
    recurrent     (7) δ[t] of the output layer, (8) δ[t] of a hidden one, (9)-(14) gradients, of ω as well

One line of code is several statements: a sum over examples and steps is the gradient of c and, divided by n, that of C.
Labels that are no numbers stand for what the notes leave out; `fnnets.verify.checks.equations` has their formulas.

In a network with an output at every step one line of the dense layer is both: (1)-(6) are (7)-(13) there. A test holds
the table of statements against the rows of real reports.
"""

from __future__ import annotations

STATEMENTS = {
    "1": "δ(L) = ∇ₐc ⊙ σ'(z(L))",
    "2": "δ(l) = (W(l+1)ᵀ δ(l+1)) ⊙ σ'(z(l))",
    "3": "∂c/∂b(l) = δ(l)",
    "4": "∂c/∂W(l) = δ(l) a(l−1)ᵀ",
    "5": "∂C/∂b(l) = 1/n Σ ∂c/∂b(l)",
    "6": "∂C/∂W(l) = 1/n Σ ∂c/∂W(l)",
    "7": "δ[t](3) = ∂c/∂a[t](3) ⊙ σ'(z[t](3))",
    "8": "δ[t](2) = σ'(z[t](2)) ⊙ (W(3)ᵀ δ[t](3) + ωᵀ δ[t+1](2))",
    "9": "∂c/∂b(l) = Σ_t δ[t](l)",
    "10": "∂c/∂W(l) = Σ_t δ[t](l) a[t](l−1)ᵀ",
    "11": "∂c/∂ω(2) = Σ_t δ[t](2) a[t−1](2)ᵀ",
    "12": "∂C/∂b(l) = 1/n Σ ∂c/∂b(l)",
    "13": "∂C/∂W(l) = 1/n Σ ∂c/∂W(l)",
    "14": "∂C/∂ω(2) = 1/n Σ ∂c/∂ω(2)",
}
_THROUGH_TIME = {"1": "7", "1, mean": "7, mean", "2": "8", "3, 5": "9, 12", "4, 6": "10, 13"}


def through_time(statement: str) -> str:
    """The statement of a feedforward layer as it is in a network that answers at every step of a sequence.

    >>> through_time("4, 6"), through_time("11, 14")
    ('10, 13', '11, 14')
    """
    return _THROUGH_TIME.get(statement, statement)


def numbers(statement: str) -> tuple[str, ...]:
    """The numbers of the notes in a mark, none where it is a label of our own.

    >>> numbers("4, 6 + λ/n w"), numbers("1, mean"), numbers("dW_i")
    (('4', '6'), ('1',), ())
    """
    words = statement.split(" + ")[0].split(", ")
    return tuple(word for word in words if word in STATEMENTS)
