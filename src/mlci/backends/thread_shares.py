"""The cores of this machine, shared by the jobs that run on it at once.

The numerical libraries of each job would otherwise start a thread for each core, and wait for each other.
"""

from __future__ import annotations

from dataclasses import replace

from mlci.compile.concurrency import shares_of_cores
from mlci.compile.structure import composition_of
from mlci.flow.names import written_name
from mlci.plan.models import Plan

#: What the libraries read: OpenMP (XGBoost, LightGBM, scikit-learn, PyTorch), OpenBLAS, MKL, BLIS, Accelerate, numexpr,
#: Numba, Polars and Rayon.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


def thread_shares(planned: Plan) -> dict[str, int]:
    """Return the cores that a job of each step gets, by the step's name; steps whose jobs run alone are left out."""
    return shares_of_cores(planned, composition_of(planned))


def thread_shares_in_build(planned: Plan, cores: int) -> dict[str, int]:
    """Return the same for the jobs that the build runs itself, while others run on machines of their own."""
    steps = {
        name: step if step.runs_on else replace(step, instance_count=0) for name, step in planned.flow.steps.items()
    }
    here = replace(planned, flow=replace(planned.flow, steps=steps), target=replace(planned.target, cores=cores))
    shares = shares_of_cores(here, composition_of(planned))
    written = {written_name(name) for name in planned.flow.build_steps}
    return {name: share for name, share in shares.items() if name in written}


def thread_variables(cores: int | None) -> dict[str, str]:
    """Return the variables by which libraries keep to this number of cores; none for None.

    >>> thread_variables(2)["OMP_NUM_THREADS"], thread_variables(None)
    ('2', {})
    """
    return {} if cores is None else dict.fromkeys(_VARIABLES, str(cores))
