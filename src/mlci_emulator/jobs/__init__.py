"""SageMaker's processing, training and transform jobs, each run as a subprocess of this machine.

In the order in which a job passes through them:

    requests.py            reads CreateProcessingJob and CreateTrainingJob requests, and rejects what can't run here
    tuning_request.py      reads CreateHyperParameterTuningJob requests, likewise
    transform_request.py   reads CreateModel and CreateTransformJob requests, likewise
    readable_requests.py   reads the requests that a run will make together, likewise
    job.py                 the settings, context, phases and result of a job
    runner.py              runs one job to its end: folder, script, outputs, result
    instances.py           runs the scripts of a job's instances side by side
    hosts.py               the names and the addresses of a job's instances
    python_overlay.py      gives a job a Python environment of its own, above the one that it runs with
    interpreter.py         runs as a process: describes the interpreter that jobs run with
    workspace.py           the temporary folder of a job
    contained_files.py     opens, walks and removes the files that a script left, and follows no link out of the job
    transfer.py            downloads inputs from the store, and uploads outputs to it
    continuous_upload.py   uploads outputs while the script runs, where a job asks for it
    containers.py          the environment and command that every container gives its script
    processing.py          the container of a processing job
    training.py            the container of a training job
    algorithms.py          the built-in algorithms: which trains here, and its metrics
    xgboost_training.py    runs as the process of a training job: trains as the built-in XGBoost does
    training_toolkit.py    the SM_* variables and arguments of the SageMaker training toolkit
    image_toolkits.py      the ways in which the toolkits of SageMaker's images start a script
    transform.py           the container of a transform job
    inference.py           runs as the process of a transform job: calls the model's inference script
    serving_container.py   the container of an endpoint
    serving.py             runs as the process of an endpoint: responds to requests by the model's inference script
    container_runtime.py   runs a job's command in its image, by docker, podman or buildah
    xgboost_serving.py     serves a model as the XGBoost image does without a script
    isolation.py           gives a job its /opt/ml
    process.py             starts and stops the supervisor of a job
    supervisor.py          runs as a process: sets up /opt/ml, runs the script, kills what it leaves
    leftover_processes.py  kills what a job left whose supervisor was killed
    log_files.py           the log of a job: its CloudWatch names, appending to it, reading its end
    merged_log.py          puts the lines of all instances into the log of their job
    failure_reason.py      a job's FailureReason, in SageMaker's words
"""
