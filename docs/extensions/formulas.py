r"""The formulas of statements as LaTeX, by the text that `fn.statements` has; a test holds the two lists together.

a(l), z(l), δ(l) stand for the layer as they do in the notes, with a superscript in parentheses.
"""

# The formula of a row where it is a special case of its statement, or a part of it.
ROWS = {
    "delta of difference": r"\delta^{(L)} = y \text{, of the cost } y z",
    "delta of linear_squared_error": r"\delta^{(L)} = a - y",
    "delta of sigmoid_cross_entropy": r"\delta = a - y \text{, which is } \nabla_a c \odot \sigma'(z)",
    "delta of softmax_log_likelihood": r"\delta^{(L)} = a \sum y - y \text{, in place of } \nabla_a c \odot \sigma'(z^{(L)})",
    "2 d_x": r"(W^{(l+1)})^T \delta^{(l+1)} \text{, its left factor}",
    "8 recurrent d_x": r"(W^{(2)})^T \delta[t]^{(2)} \text{, for the layer below}",
    "8 dense d_x": r"(W^{(3)})^T \delta[t]^{(3)} \text{, its first part}",
    "8 dense z": r"\delta[t]^{(3)} \text{ through the linear output layer}",
}
FORMULAS = {
    # of the notes
    "δ(L) = ∇ₐc ⊙ σ'(z(L))": r"\delta^{(L)} = \nabla_a c \odot \sigma'(z^{(L)})",
    "δ(l) = (W(l+1)ᵀ δ(l+1)) ⊙ σ'(z(l))": r"\delta^{(l)} = \left((W^{(l+1)})^T \delta^{(l+1)}\right) \odot \sigma'(z^{(l)})",
    "∂c/∂b(l) = δ(l)": r"\frac{\partial c}{\partial b^{(l)}} = \delta^{(l)}",
    "∂c/∂W(l) = δ(l) a(l−1)ᵀ": r"\frac{\partial c}{\partial W^{(l)}} = \delta^{(l)} (a^{(l-1)})^T",
    "∂C/∂b(l) = 1/n Σ ∂c/∂b(l)": r"\frac{\partial C}{\partial b^{(l)}} = \frac{1}{n} \sum \frac{\partial c}{\partial b^{(l)}}",
    "∂C/∂W(l) = 1/n Σ ∂c/∂W(l)": r"\frac{\partial C}{\partial W^{(l)}} = \frac{1}{n} \sum \frac{\partial c}{\partial W^{(l)}}",
    "δ[t](3) = ∂c/∂a[t](3) ⊙ σ'(z[t](3))": (
        r"\delta[t]^{(3)} = \frac{\partial c}{\partial a[t]^{(3)}} \odot \sigma'(z[t]^{(3)})"
    ),
    "δ[t](2) = σ'(z[t](2)) ⊙ (W(3)ᵀ δ[t](3) + ωᵀ δ[t+1](2))": (
        r"\delta[t]^{(2)} = \sigma'(z[t]^{(2)}) \odot \left((W^{(3)})^T \delta[t]^{(3)} + \omega^T \delta[t+1]^{(2)}\right)"
    ),
    "∂c/∂b(l) = Σ_t δ[t](l)": r"\frac{\partial c}{\partial b^{(l)}} = \sum_t \delta[t]^{(l)}",
    "∂c/∂W(l) = Σ_t δ[t](l) a[t](l−1)ᵀ": (
        r"\frac{\partial c}{\partial W^{(l)}} = \sum_t \delta[t]^{(l)} (a[t]^{(l-1)})^T"
    ),
    "∂c/∂ω(2) = Σ_t δ[t](2) a[t−1](2)ᵀ": (
        r"\frac{\partial c}{\partial \omega^{(2)}} = \sum_t \delta[t]^{(2)} (a[t-1]^{(2)})^T"
    ),
    "∂C/∂ω(2) = 1/n Σ ∂c/∂ω(2)": (
        r"\frac{\partial C}{\partial \omega^{(2)}} = \frac{1}{n} \sum \frac{\partial c}{\partial \omega^{(2)}}"
    ),
    # of costs
    "∂C/∂z(L) = 1/n δ(L)": r"\frac{\partial C}{\partial z^{(L)}} = \frac{1}{n} \delta^{(L)}",
    "∂C/∂z[t](3) = 1/n δ[t](3), 1/T in δ": (
        r"\frac{\partial C}{\partial z[t]^{(3)}} = \frac{1}{n} \delta[t]^{(3)} \text{, with } \tfrac{1}{T} \text{ in } \delta"
    ),
    "∂C/∂w = 1/n Σ ∂c/∂w + λ/n w": (
        r"\frac{\partial C}{\partial w} = \frac{1}{n} \sum \frac{\partial c}{\partial w} + \frac{\lambda}{n} w"
    ),
    "∂S/∂t of the sparsity's cost S": r"\frac{\partial S}{\partial t} \text{ of the sparsity's cost } S",
    # of images
    "δ = d_a ⊙ σ'(z)": r"\delta = d_a \odot \sigma'(z)",
    "dW = Σ δ ⊗ the window under it": r"d_W = \sum \delta \otimes \text{the window under it}",
    "db = Σ δ over examples and positions": r"d_b = \sum \delta \text{ over examples and positions}",
    "dx = Σ δ W over the windows of a pixel": r"d_x = \sum \delta W \text{ over the windows of a pixel}",
    "dx = d_y at the window's first maximum, else 0": (r"d_x = d_y \text{ at the window's first maximum, else } 0"),
    "dx = d_y / (h w) over the window": r"d_x = \frac{d_y}{h w} \text{ over the window}",
    "dW[p] = Σ δ[p] ⊗ the window at p": r"d_{W[p]} = \sum \delta[p] \otimes \text{the window at } p",
    "db[p] = Σ δ[p]": r"d_{b[p]} = \sum \delta[p]",
    "dx = Σ_p δ[p] W[p] over the windows of a pixel": (
        r"d_x = \sum_p \delta[p] W[p] \text{ over the windows of a pixel}"
    ),
    "dx = d_y in the shape of x": r"d_x = d_y \text{ in the shape of } x",
    "dx = d_y ⊙ the mask": r"d_x = d_y \odot \text{the mask}",
    # of gates
    "∂C/∂s[0] = Σ d_s[0] over examples": r"\frac{\partial C}{\partial s[0]} = \sum d_{s[0]} \text{ over examples}",
    "d_h = ∂C/∂h[t] from above + the part through step t + 1": (
        r"d_h = \frac{\partial C}{\partial h[t]} \text{ from above} + \text{the part through step } t + 1"
    ),
    "d_c = d_h ⊙ o ⊙ (1 − tanh²(c)) + d_c[t+1] ⊙ f[t+1]": (
        r"d_c = d_h \odot o \odot (1 - \tanh^2 c) + d_c[t+1] \odot f[t+1]"
    ),
    "δ_i = d_c ⊙ g ⊙ i(1−i)": r"\delta_i = d_c \odot g \odot i (1 - i)",
    "δ_f = d_c ⊙ c[t−1] ⊙ f(1−f)": r"\delta_f = d_c \odot c[t-1] \odot f (1 - f)",
    "δ_g = d_c ⊙ i ⊙ (1−g²)": r"\delta_g = d_c \odot i \odot (1 - g^2)",
    "δ_o = d_h ⊙ tanh(c) ⊙ o(1−o)": r"\delta_o = d_h \odot \tanh(c) \odot o (1 - o)",
    "dW_k = Σ_t δ_k[t]ᵀ x[t]": r"d_{W_k} = \sum_t \delta_k[t]^T x[t]",
    "dR_k = Σ_t δ_k[t]ᵀ h[t−1]": r"d_{R_k} = \sum_t \delta_k[t]^T h[t-1]",
    "db_k = Σ_t δ_k[t]": r"d_{b_k} = \sum_t \delta_k[t]",
    "dx[t] = Σ_k δ_k[t] W_k": r"d_x[t] = \sum_k \delta_k[t] W_k",
    "d_c = d_h ⊙ o ⊙ (1 − tanh²(c)) + δ_o ⊙ p_o + (d_c ⊙ f + δ_i ⊙ p_i + δ_f ⊙ p_f)[t+1]": (
        r"d_c = d_h \odot o \odot (1 - \tanh^2 c) + \delta_o \odot p_o"
        r" + (d_c \odot f + \delta_i \odot p_i + \delta_f \odot p_f)[t+1]"
    ),
    "dp_k = Σ_t δ_k ⊙ c": r"d_{p_k} = \sum_t \delta_k \odot c",
    "δ_o = (d_h ⊙ η(c) + d_o) ⊙ o(1−o)": r"\delta_o = (d_h \odot \eta(c) + d_o) \odot o (1 - o)",
    "d_c = d_h ⊙ o ⊙ η'(c) + d_c[t+1]": r"d_c = d_h \odot o \odot \eta'(c) + d_c[t+1]",
    "δ_i = (d_c ⊙ g + d_i) ⊙ i(1−i)": r"\delta_i = (d_c \odot g + d_i) \odot i (1 - i)",
    "δ_g = d_c ⊙ i ⊙ γ'(z_g)": r"\delta_g = d_c \odot i \odot \gamma'(z_g)",
    "dR_k = Σ_t δ_k[t]ᵀ (h, i, o)[t−1]": r"d_{R_k} = \sum_t \delta_k[t]^T (h, i, o)[t-1]",
    "δ_n = d_h ⊙ (1−u) ⊙ (1−n²)": r"\delta_n = d_h \odot (1 - u) \odot (1 - n^2)",
    "δ_u = d_h ⊙ (h[t−1] − n) ⊙ u(1−u)": r"\delta_u = d_h \odot (h[t-1] - n) \odot u (1 - u)",
    "δ_r = δ_n ⊙ q ⊙ r(1−r)": r"\delta_r = \delta_n \odot q \odot r (1 - r)",
    "dR_n = Σ_t δ_q[t]ᵀ h[t−1]": r"d_{R_n} = \sum_t \delta_q[t]^T h[t-1]",
    "db'_n = Σ_t δ_q[t]": r"d_{b'_n} = \sum_t \delta_q[t]",
    # of autoencoders and Boltzmann machines
    "dW = the encoder's δᵀ x + the transpose of the decoder's": (
        r"d_W = \delta^T x \text{ of the encoder} + (\delta^T x)^T \text{ of the decoder}"
    ),
    "∂F/∂t = −E[h given v]": r"\frac{\partial F}{\partial t} = -E[h \mid v]",
    "∂F/∂W = −E[h given v] vᵀ": r"\frac{\partial F}{\partial W} = -E[h \mid v] \, v^T",
    "∂F/∂b = −v": r"\frac{\partial F}{\partial b} = -v",
    "∂F/∂c = −E[h given v]": r"\frac{\partial F}{\partial c} = -E[h \mid v]",
    "∂F/∂v = −b − Wᵀ E[h given v], of Gaussian v + v": (
        r"\frac{\partial F}{\partial v} = -b - W^T E[h \mid v] \text{, of Gaussian units } + v"
    ),
}
