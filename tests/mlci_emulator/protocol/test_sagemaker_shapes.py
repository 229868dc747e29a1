"""The quick file of shapes is botocore's model."""

from __future__ import annotations

import json

from mlci_emulator.protocol import models, sagemaker_shapes


def test_the_quick_shapes_are_those_of_botocores_model() -> None:
    """`python -m mlci_emulator.protocol.sagemaker_shapes` writes the file anew."""
    operations = models.model_data("sagemaker")["operations"]
    names = [operations[operation]["input"]["shape"] for operation in models.EXTRACTED]
    assert names == [f"{operation}Request" for operation in models.EXTRACTED]
    assert json.loads(models.EXTRACT.read_text(encoding="utf-8")) == sagemaker_shapes.extract()


def test_operations_beside_the_quick_ones_come_from_the_model() -> None:
    shape = models.input_shape("sagemaker", "CreateModel")
    assert shape.name == "CreateModelInput"
    assert shape.required_members == ["ModelName"]
