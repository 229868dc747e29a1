"""Keys of a flow that have no effect on the local cloud."""

from __future__ import annotations

from mlci.backends.unenforced_keys import unenforced_keys
from support.compiled_flows import planned

FLOW = """flow: keyed
defaults: {image: "mine.example/image:7"}
steps:
  prep: {uses: processing, run: a.py, kms_key: alias/models, volume_kms_key: key-1}
  train:
    uses: training
    run: a.py
    matrix: {fold: [1, 2]}
    kms_key: alias/models
    network_isolation: true
    request: {VpcConfig: {Subnets: [subnet-1], SecurityGroupIds: [sg-1]}}
"""


def test_the_keys_are_named_with_their_steps_however_the_flow_has_them() -> None:
    expected = "no effect on the local cloud: vpc (train), kms_key (prep, train), volume_kms_key (prep)."
    assert unenforced_keys(planned(FLOW)) == expected
    spot = FLOW.replace("kms_key: alias/models\n", "spot: true\n    max_wait: 1h\n")
    assert unenforced_keys(planned(spot)).startswith("no effect on the local cloud: spot (train), vpc (train), kms")
    assert unenforced_keys(planned(spot)).endswith(
        "(prep). Spot jobs run as any other: nothing is saved, and nothing interrupts them."
    )


def test_no_machines_are_kept_on_the_local_cloud() -> None:
    warm = FLOW.replace("network_isolation: true", "keep_alive: 30m")
    assert unenforced_keys(planned(warm)).startswith("no effect on the local cloud: keep_alive (train), vpc (train), ")


def test_a_flow_without_such_keys_gets_no_sentence() -> None:
    text = "\n".join(line for line in FLOW.splitlines() if "kms" not in line and "request" not in line)
    assert unenforced_keys(planned(text)) == ""
