"""The quick file of shapes is botocore's model."""

from __future__ import annotations

from mlci_emulator.protocol import sagemaker_shapes


def test_the_quick_shapes_are_those_of_botocores_model() -> None:
    """`python -m mlci_emulator.protocol.sagemaker_shapes` writes the file anew."""
    names = [
        sagemaker_shapes.model()["operations"][operation]["input"]["shape"] for operation in sagemaker_shapes.QUICK
    ]
    assert names == [f"{operation}Request" for operation in sagemaker_shapes.QUICK]
    assert sagemaker_shapes.quick() == sagemaker_shapes.reached_from(names, sagemaker_shapes.model()["shapes"])


def test_operations_beside_the_quick_ones_come_from_the_model() -> None:
    name, found = sagemaker_shapes.input_of("CreateModel")
    assert name == "CreateModelInput"
    assert found[name]["required"] == ["ModelName"]
