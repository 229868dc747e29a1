"""AWS's protocols and botocore's models of its APIs: load, parse, validate, serialize.

    operations.py             a service's operations: `Service`, `ApiError`
    models.py                 loads botocore's models, each when it is first needed
    sagemaker_shapes.py       writes sagemaker_shapes.json, the extract of SageMaker's model for local runs
    java_patterns.py          the models' regular expressions, which are Java's, for Python
    validation.py             finds the problems of a value by its shape
    validation_errors.py      the ValidationException of services
    sagemaker_validation.py   SageMaker's rules, and its words for problems
    timestamps.py             dates in the formats of the protocols
    json_values.py            between JSON and the values of an API
    http_responses.py         HTTP responses, and errors in each protocol
    aws_json.py               AWS JSON in front of a service
    rest_json.py              REST paths in front of an operation whose body is the caller's
    rest_xml.py               S3's requests and responses as XML
    routes.py                 finds the operation of a request to S3
    pagination.py             page tokens

No module imports a service: services and the server import these.
"""
