"""What every test shares: strict dtype promotion, one key, a precision to run in, and shape checking on request."""

import builtins
import gc
import os

import jax
import pytest

# Before any doctest leaves a tuple of lists in `builtins._`: tyro hashes all builtins when it is first imported.
import tyro  # noqa: F401
from jax._src.interpreters import mlir

# One unit of code a program, and another emitter of XLA's: small programs compile faster so on a CPU.
# XLA ends the process at a flag that it does not know; the emitter's is gone with JAX 0.11.
FAST_COMPILATION = ("--xla_cpu_parallel_codegen_split_count=1",)
if jax.__version_info__ < (0, 11):
    FAST_COMPILATION += ("--xla_cpu_use_fusion_emitters=false",)
DEVICES = "--xla_force_host_platform_device_count=8"  # arrays lie on the first unless a test takes more
PROGRAMS = 1500  # held by a process at most, at the end of a file: about a gigabyte
LOWERED = 50  # programs that are lowered in one context of MLIR


def pytest_addoption(parser):
    parser.addoption(
        "--check-shapes",
        action="store_true",
        help="check every annotated shape and dtype of fnnets at run time, with jaxtyping and beartype",
    )
    parser.addoption(
        "--all-invalid-calls", action="store_true", help="make every call that is wrong in one argument, not a thousand"
    )


def pytest_configure(config):
    """Share what is compiled, and install the shape checker before fnnets is imported."""
    # Tracing makes many objects that live long, and notes for each operation where in the source it stands.
    gc.set_threshold(200_000, 20, 100)
    jax.config.update("jax_traceback_in_locations_limit", 0)
    jax.config.update("jax_include_full_tracebacks_in_locations", False)
    _set_flag(DEVICES)
    for flag in FAST_COMPILATION:
        _set_flag(flag)
    _share_contexts()
    # Most of the suite's time is compilation; a second run, or another process, finds the programs here. The smallest
    # take about as long to write and read as to compile.
    if config.pluginmanager.hasplugin("cacheprovider"):
        _set("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
        _set("jax_persistent_cache_min_compile_time_secs", 0.03)
        _set("jax_persistent_cache_min_entry_size_bytes", -1)
    if not config.getoption("--check-shapes"):
        # The invariants do not depend on it, and it is much of the compilation. With --check-shapes, which repeats the
        # contract, they are made.
        _set("jax_disable_most_optimizations", True)
        return
    import jaxlib
    import jaxtyping

    # The package imports these names for type checkers only, so that its core does not need jaxtyping;
    # here the annotations are evaluated, and find the names among the builtins.
    for name in ("Array", "Bool", "Float", "Int", "Num", "PyTree", "UInt32"):
        setattr(builtins, name, getattr(jaxtyping, name))
    builtins.jaxlib = jaxlib  # the module that `Array` is defined in, as beartype names it
    jaxtyping.install_import_hook("fnnets", "beartype.beartype")


def _set(name, value):
    """A setting of JAX, for this process and for those that tests start."""
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)


def _share_contexts():
    """Make a context of MLIR for many programs in place of each: it takes longer than lowering a small one."""
    if not hasattr(mlir, "make_ir_context"):  # of another release of JAX; then each program has its own
        return
    make, made = mlir.make_ir_context, []

    def shared():
        if len(made) % LOWERED == 0:
            made[:] = [make()]
        else:
            made.append(made[0])
        return made[0]

    mlir.make_ir_context = shared


def _set_flag(flag):
    """Read when the first program is compiled, thus still in time; a worker has its controller's flags already."""
    flags = os.environ.get("XLA_FLAGS", "")
    if flag not in flags:
        os.environ["XLA_FLAGS"] = f"{flag} {flags}".strip()


@pytest.fixture(autouse=True)
def strict_promotion():
    """No silent change of precision: mixing float32 and float64 raises."""
    with jax.numpy_dtype_promotion("strict"):
        yield


compiled = 0


def _count(event, seconds, **about):
    global compiled
    compiled += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Programs pile up to gigabytes over a run; small ones that come back are what the files share."""
    global compiled
    yield
    if compiled > PROGRAMS:
        compiled = 0
        jax.clear_caches()


@pytest.fixture
def standard_promotion(strict_promotion):
    """JAX's ordinary promotion, for tests that call optax functions which mix integers and floats."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def key():
    """The key of every random probe."""
    return jax.random.key(20)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Run the test in this precision; 64 bits are switched on for the test alone."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param
