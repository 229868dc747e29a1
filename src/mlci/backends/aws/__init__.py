"""The aws backend: implements `backends.protocol` with boto3. The local backend never imports this package.

In the order of a run:
    api_calls.py              one API call: errors translated, transient ones retried
    session.py                boto3 clients of one region, and the region to use
    caller_identity.py        the caller's account and partition (STS)
    codebuild_reports.py      a build of CodeBuild, and the reports that it wrote
    secret_values.py          the values of secrets and parameters, by their ARNs
    ssm_parameters.py         the settings that `mlci bootstrap` wrote (SSM)
    s3_objects.py             objects by their S3 URIs, with checksums (S3)
    stored_objects.py         the objects of a bucket, and what uses them, for `mlci gc` (S3)
    object_copies.py          copies of objects that S3 makes itself
    s3_uploads.py             the staged files of a run on S3: what is missing, uploaded
    object_checksums.py       the checksum that S3 keeps of an upload
    buckets.py                whole buckets: tags, emptying, deletion (S3)
    request_validation.py     a plan's job requests, checked against SageMaker's API model
    ecr_images.py             the images that a flow builds (ECR)
    image_publishing.py       builds images where their content is new, and pushes them to ECR
    state_machines.py         the flow's state machine and its versions (Step Functions)
    executions.py             executions: start, history, stop (Step Functions)
    poll_schedule.py          the times of its polls, by what earlier runs took
    follow_execution.py       an execution, polled to its end
    sagemaker_jobs.py         jobs of each type: description, list, stop (SageMaker)
    warm_pools.py             the warm pools of training jobs (SageMaker)
    model_registry.py         the model registry (SageMaker)
    cloudwatch_logs.py        the lines of a job's log, read on and on (CloudWatch Logs)
    trial_progress.py         a line for each trial of a tuning job that has ended
    job_logs.py               the logs of a run's jobs, copied to files while the jobs run
    failure_reasons.py        events of failed jobs, completed with the job's reason and log
    stop_run.py               stops the jobs of a run and waits for their end
    console_urls.py           links to the AWS console
    settings.py               the value and the origin of each setting
    configure.py              the backend from options, environment, flow and SSM
    backend.py                one run on all of these
    cloudformation_stacks.py  stacks, change sets and events (CloudFormation), for `mlci bootstrap`
    codeconnections.py        the status of a connection (CodeConnections), for `mlci bootstrap`
"""
