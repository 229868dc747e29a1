"""mlci: continuous integration for machine-learning models.

The way of the data, which is the way of the imports too; see `run.py`, where it stands in one function:

    flow.yaml ─ flow ─▶ Flow ─ stage ─▶ Staged ─ plan ─▶ Plan ─ compile ─▶ Definition + execution input
            ─ cloud: publish ─▶ version ARN ─ cloud: run ─▶ Outcome ─ gate ─▶ Verdict ─ report ─▶ files, exit code

`asl` is the interpreter of the Amazon States Language under the local cloud, and knows nothing of the rest.
"""

__version__ = "0.1.0"
