"""Plan + progress + prices → the estimated cost of each step, and of a run.

prices.py             reads the table of prices
sagemaker_prices.json  the table: one region's prices on one day, with their sources
step_costs.py         the cost of each step. Pure
"""

from __future__ import annotations

from mlci.costs.prices import Prices, load_prices
from mlci.costs.step_costs import StepCost, run_cost, step_costs

__all__ = ["Prices", "StepCost", "load_prices", "run_cost", "step_costs"]
