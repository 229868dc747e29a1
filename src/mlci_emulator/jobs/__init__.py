"""SageMaker jobs as subprocesses: processing, training and transform."""
