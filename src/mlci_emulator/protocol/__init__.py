"""AWS's protocols and botocore's models of its APIs: parse, validate, serialize."""
