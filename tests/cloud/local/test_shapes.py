"""The quick file of shapes is botocore's model."""

from __future__ import annotations

from mlci.cloud.local import shapes


def test_the_quick_shapes_are_those_of_botocores_model() -> None:
    """`python -m mlci.cloud.local.shapes` writes the file anew."""
    names = [shapes.model()["operations"][operation]["input"]["shape"] for operation in shapes.QUICK]
    assert names == [f"{operation}Request" for operation in shapes.QUICK]
    assert shapes.quick() == shapes.reached_from(names, shapes.model()["shapes"])


def test_operations_beside_the_quick_ones_come_from_the_model() -> None:
    name, found = shapes.input_of("CreateModel")
    assert name == "CreateModelInput"
    assert found[name]["required"] == ["ModelName"]
