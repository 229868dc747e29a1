"""Params and what overrides them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import Flow, Scalar, load, param_overrides
from support.flow_texts import EXAMPLE, STEP_TYPE_CHOICES

_PARAMS = (
    "flow: x\nparams: {count: 4, share: 0.5, flag: false, name: abc, max-depth: 1}\n"
    "defaults: {image: 'a:b'}\nsteps: {only: {uses: training, run: x.py}}\n"
)


def _loaded(options: list[str], environ: dict[str, str] | None = None, text: str = _PARAMS) -> Flow:
    return load(text.encode(), "flow.yaml", *param_overrides(options, environ or {}))


def _problems(options: list[str], environ: dict[str, str] | None = None, text: str = _PARAMS) -> list[str]:
    with pytest.raises(InputError) as caught:
        _loaded(options, environ, text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("count=7", 7),
        ("count=-7", -7),
        ("count=+7", 7),
        ("share=1", 1.0),
        ("share=1e-3", 0.001),
        ("share=.5", 0.5),
        ("flag=true", True),
        ("flag=false", False),
        ("name=", ""),
        ("name=a=b", "a=b"),
        ("name=7", "7"),
        ("max-depth=7", 7),
    ],
)
def test_an_override_has_the_type_of_the_default(option: str, value: Scalar) -> None:
    found = _loaded([option]).params[option.partition("=")[0]]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("count=seven", '--param: param "count" is an integer (its default is 4); "seven" is not'),
        (
            "count=0.5",
            (
                '--param: param "count" is an integer (its default is 4); "0.5" is not. '
                "Write its default as 4.0 to allow fractions"
            ),
        ),
        ("count=", '--param: param "count" is an integer (its default is 4); "" is not'),
        (
            "count=99999999999999999999",
            "--param: the number 99999999999999999999 is too large. Put it in quotes if it is a text",
        ),
        ("share=half", '--param: param "share" is a number (its default is 0.5); "half" is not'),
        ("share=nan", '--param: param "share" is a number (its default is 0.5); "nan" is not'),
        ("share=inf", '--param: param "share" is a number (its default is 0.5); "inf" is not'),
        ("share=1e999", "--param: 1e999 is not a finite number. Put it in quotes if it is a text"),
        ("flag=yes", '--param: param "flag" is true or false (its default is false); "yes" is not'),
        ("flag=True", '--param: param "flag" is true or false (its default is false); "True" is not'),
        ("name=${{ params.count }}", '--param: the value of the param "name" cannot hold a reference'),
        ("name=\udcff", '--param: the value of the param "name" is not valid UTF-8 text'),
        ("cuont=3", '--param: there is no param "cuont". Did you mean "count"?'),
        ("count", '--param: "count" is not of the form name=value. Such as max_depth=7'),
        ("=3", '--param: "=3" is not of the form name=value. Such as max_depth=7'),
    ],
)
def test_a_wrong_override(option: str, problem: str) -> None:
    assert _problems([option]) == [problem]


def test_a_variable_overrides() -> None:
    flow = _loaded([], {"MLCI_PARAM_COUNT": "5", "MLCI_PARAM_MAX_DEPTH": "9", "MLCI_CLOUD": "aws", "HOME": "/"})
    assert (flow.params["count"], flow.params["max-depth"]) == (5, 9)


def test_a_wrong_variable_is_named() -> None:
    assert _problems([], {"MLCI_PARAM_COUNT": "five", "MLCI_PARAM_CUONT": "5"}) == [
        'MLCI_PARAM_COUNT: param "count" is an integer (its default is 4); "five" is not',
        'MLCI_PARAM_CUONT: no param belongs to the variable MLCI_PARAM_CUONT. Did you mean "MLCI_PARAM_COUNT"?',
    ]


def test_an_option_beats_a_variable_and_the_last_option_the_first() -> None:
    assert _loaded(["count=6", "count=7"], {"MLCI_PARAM_COUNT": "5"}).params["count"] == 7


def test_an_override_reaches_every_reference() -> None:
    flow = _loaded(["max_depth=7", "min_auc=1"], text=EXAMPLE)
    assert flow.steps["train"].hyperparameters == {"max_depth": 7}
    assert flow.gate[0].limit == 1.0


def test_a_flow_without_params_says_so() -> None:
    text = "flow: x\ndefaults: {image: 'a:b'}\nsteps: {only: {uses: training, run: x.py}}\n"
    assert _problems(["a=1"], text=text) == ['--param: there is no param "a". The flow has no params']
    assert _loaded([], text=text).params == {}


def test_wrong_overrides_and_a_wrong_flow_are_told_together() -> None:
    assert _problems(["count=x"], text=_PARAMS.replace("training", "trainng")) == [
        '--param: param "count" is an integer (its default is 4); "x" is not',
        (f'flow.yaml:4:22: "uses" must be {STEP_TYPE_CHOICES}, but is the text "trainng". Did you mean "training"?'),
    ]


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_of_64_bits_parses(value: int) -> None:
    assert _loaded([f"count={value}"]).params["count"] == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_parses(value: float) -> None:
    assert _loaded([f"share={value!r}"]).params["share"] == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_every_text_without_a_reference_is_taken_as_it_is(value: str) -> None:
    assume("${{" not in value)
    assert _loaded([f"name={value}"]).params["name"] == value


@given(st.sampled_from(["count", "share", "flag", "max-depth"]), st.text(max_size=20))
def test_any_text_parses_or_is_refused(name: str, value: str) -> None:
    try:
        found = _loaded([f"{name}={value}"]).params[name]
    except InputError:
        return
    assert type(found) is type(_loaded([]).params[name])
