"""The services that the emulator implements itself.

Five services, and what they share:

    s3/                 S3, on the store's directory
    sagemaker/          SageMaker, on the job runner
    lambda_functions/   Lambda's Invoke
    glue/               Glue's Python shell jobs
    stepfunctions/      Step Functions, on the interpreter of the Amazon States Language
    own_executions.py   the executions that a run starts of its own machine, without Step Functions itself
    database.py         the SQLite database of a service
    timestamps.py       the clock, and stored times
"""
