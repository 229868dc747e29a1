"""Mistakes in the statistics, each of which a quick test finds: the package is copied, changed, and tested."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PACKAGE = Path("mlci", "gate", "statistics")

#: The module, what is written in it, what a mistake would make of it, and the test that finds it.
MUTANTS = {
    "the other tail": (
        "estimate.py",
        "return self.negated.p(-limit) if self.is_lower_better else self.bound.p(limit)",
        "return self.bound.p(limit) if self.is_lower_better else self.negated.p(-limit)",
        "test_metrics.py::test_a_model_that_is_much_worse_is_found",
    ),
    "the ends of the interval swapped": (
        "estimate.py",
        "return -self.negated.upper(alpha), self.bound.upper(alpha)",
        "return self.bound.upper(alpha), -self.negated.upper(alpha)",
        "test_metrics.py::test_a_model_that_is_worse_on_few_cases_may_be_as_good",
    ),
    "separate samples in place of pairs": (
        "metrics.py",
        "_paired(metric, new, base) if is_paired else _separate(metric, new, base)",
        "_separate(metric, new, base)",
        "test_metrics.py::test_pairs_see_what_separate_samples_do_not",
    ),
    "labels of the baseline": (
        "metrics.py",
        "base = Outcomes(new.label, base.predicted, base.score)",
        "pass",
        "test_metrics.py::test_pairs_are_judged_by_the_labels_of_the_new_model",
    ),
    "no correction": (
        "holm.py",
        "min(alpha, alpha * share)",
        "alpha",
        "test_holm.py::test_holms_order_decides",
    ),
    "a correction that does not end": (
        "holm.py",
        "is_rejecting = is_rejecting and p <= levels[first]",
        "pass",
        "test_holm.py::test_the_first_that_is_not_rejected_ends_it",
    ),
    "the largest p-value first": (
        "holm.py",
        "comparisons[place][0] / comparisons[place][1])",
        "-comparisons[place][0] / comparisons[place][1])",
        "test_holm.py::test_holms_order_decides",
    ),
    "ranks that are off by one": (
        "auc.py",
        "(below + not_above) / (2 * len(others))",
        "(below + not_above + 1) / (2 * len(others))",
        "test_auc.py::test_ties_count_a_half",
    ),
    "ties that count in full": (
        "auc.py",
        'for side in ("left", "right")',
        'for side in ("right", "right")',
        "test_auc.py::test_ties_count_a_half",
    ),
    "the variance of a population": (
        "symmetric.py",
        "/ (len(values) - 1)",
        "/ len(values)",
        "test_auc.py::test_the_areas_of_delong_and_others",
    ),
    "one class less in the standard error": (
        "auc.py",
        "classes = (self.of_positives, self.of_negatives)",
        "classes = (self.of_positives,)",
        "test_auc.py::test_the_areas_of_delong_and_others",
    ),
    "certainty without a spread": (
        "symmetric.py",
        "return float(1 - alpha ** (1 / self.cases))",
        "return 0.0",
        "test_auc.py::test_scores_that_are_all_right_are_judged_by_the_number_of_cases",
    ),
    "one case less in favour, in pairs": (
        "proportions.py",
        "_chance_at_least(self.to_right + 1, self.to_wrong,",
        "_chance_at_least(self.to_right, self.to_wrong,",
        "test_proportions.py::test_at_a_limit_of_zero_pairs_are_judged_as_the_exact_test_of_mcnemar_does",
    ),
    "flips taken for each other": (
        "proportions.py",
        "_chance_at_least(self.to_right + 1, self.to_wrong,",
        "_chance_at_least(self.to_wrong + 1, self.to_right,",
        "test_proportions.py::test_at_a_limit_of_zero_pairs_are_judged_as_the_exact_test_of_mcnemar_does",
    ),
    "a limit of the other sign": (
        "proportions.py",
        "(1 + limit / share) / 2",
        "(1 - limit / share) / 2",
        "test_proportions.py::test_the_p_value_at_the_end_of_the_interval_is_the_level",
    ),
    "one case less in favour, in separate samples": (
        "proportions.py",
        "base = (self.base_hits, self.base_cases - self.base_hits + 1)",
        "base = (self.base_hits + 1, self.base_cases - self.base_hits + 1)",
        "test_proportions.py::test_at_a_limit_of_zero_separate_samples_are_judged_as_the_exact_test_of_fisher_does",
    ),
    "no case in favour of F1": (
        "confusion.py",
        '"f1": {(True, True, False): 1.0}',
        '"f1": {}',
        "test_metrics.py::test_identical_models_are_no_certainty",
    ),
    "a case against, for errors": (
        "errors.py",
        "[extreme.max(), extreme.min()]",
        "[extreme.min(), extreme.max()]",
        "test_errors.py::test_cases_that_are_all_worse_are_judged_as_the_sign_test_does",
    ),
    "the same weights in separate samples": (
        "errors.py",
        "bases, sample=1)",
        "bases, sample=0)",
        "test_errors.py::test_separate_samples_are_weighted_independently",
    ),
    "a p-value of nothing": (
        "bootstrap.py",
        "return (1 + above) / (len(self.draws) + 1)",
        "return above / len(self.draws)",
        "test_errors.py::test_no_p_value_is_below_what_the_draws_can_tell",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(name: str, tmp_path: Path) -> None:
    module, written, mistaken, test = MUTANTS[name]
    shutil.copytree(ROOT / "src" / "mlci", tmp_path / "mlci", ignore=shutil.ignore_patterns("__pycache__", "locks"))
    file = tmp_path / PACKAGE / module
    text = file.read_text()
    assert text.count(written) == 1, f"{module} has changed: so must the mistake"
    file.write_text(text.replace(written, mistaken))
    path = os.pathsep.join((str(tmp_path), str(ROOT / "tests")))
    pytest_options = ("-q", "-x", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_options, f"--rootdir={tmp_path}", str(Path(__file__).parent / test)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout  # a test failed; the other codes say that none ran
