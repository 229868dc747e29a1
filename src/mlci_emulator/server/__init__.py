"""An AWS endpoint on loopback for boto3, the AWS CLI, Terraform and whatever else speaks AWS.

    serve.py              starts a server, prints the variables to export, and stops it
    sdk_configuration.py  keeps SageMaker's Python SDK on the server
    data_folder.py        the data folder, which one server owns
    http_listener.py      HTTP: waitress, with the guard in front of a request's body
    request_guard.py      rejects requests from web pages and without the access key
    credential_scope.py   the access key, region and service in a request's signature
    application.py        routes a request to its service
    s3_endpoint.py        S3's REST API over the service
    loopback_s3.py        the store as an S3 endpoint, for scripts of a run without a server
    aws_chunked.py        bodies of S3's requests: in signed chunks, or hashed
    cloudwatch_logs.py    feeds the logs of jobs and functions to moto's CloudWatch Logs
    log_search.py         FilterLogEvents over moto's CloudWatch Logs
    log_filter.py         CloudWatch Logs' filter patterns
    service_assembly.py   creates all services over one data folder
    moto_services/        moto, for every service that the emulator lacks

Of moto_services/, the server imports only modules that do not import moto; moto is imported when it is first needed.
"""

from __future__ import annotations
