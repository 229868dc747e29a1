"""mlci: continuous integration for machine-learning models. The runner.

The way of the data, which is the direction of the imports, too; `run.py` shows it in one function:

    flow.yaml ─ load ─▶ Flow ─ stage ─▶ Staged ─ plan ─▶ Plan ─ compile ─▶ Definition + execution input
            ─ deploy ─▶ version ARN ─ run ─▶ Outcome ─ judge ─▶ Verdict ─ report ─▶ files, exit code

The map:

    errors.py          the errors that a user reads, and their exit codes
    fast_dataclasses.py  the decorator of dataclasses that is quick to run
    json_text.py       JSON documents as text that people read
    git_command.py     runs git, as the files of a checkout do not decide
    s3_uris.py         S3 URIs, split into bucket and key
    run_lock.py        the lock that tells a running run from one that was killed
    aws_settings.py    the settings of the aws backend, in one table
    step_types/        one object for each step type
    flow/              flow.yaml → Flow
    stage/             Flow → Staged: hashes of code and data, image URIs
    plan/              Staged → Plan: names, API requests, uploads, thresholds
    compile/           Plan → definition and execution input
    reuse/             Plan → the key of each step: the hash of all that can change its result
    backends/          the local and the aws backend
    gate/              metrics → verdict
    report/            Result → console and files
    costs/             Plan + progress → the estimated cost of steps
    baseline/          the metrics that rules compare with
    noise.py           how far the metrics of a flow move where only the seed changes
    model_registry.py  registered models, and decisions about them
    runs.py            the folder of a run
    git.py             the state of the git repository
    git_history.py     its uncommitted files, and the order of its commits
    build.py           the build that runs, according to CodeBuild and git
    interrupts.py      work that signals and timeouts interrupt
    watch.py           a run while it goes on: its jobs' logs, signs of life, requests to stop it
    early_imports.py   imports what the end of a run needs while its jobs run
    empty_outputs.py   reports the outputs that a step left empty
    unsent_files.py    reports the file that a failed step's job was not sent
    reused_steps.py    the steps whose results earlier runs made
    compared_runs.py   the two runs of `mlci diff`
    earlier_runs.py    runs of a flow that have reported
    gc/                what runs left in the bucket, and what of it nothing needs
    clean.py           what runs left on this machine, found and removed
    approvals.py       the approvals that a run waits for, and decisions about them
    partial.py         the part of a flow that a run was asked for, and what it takes from earlier runs
    warm_starts.py     the steps that started on machines which another job had left
    skipped_steps.py   the reasons of steps that were skipped
    conclusion.py      the status of a run, and its reason
    gate_answers.py    the answers to a state machine that asks whether the gate holds
    kept_definitions.py  compiled definitions in the bucket, for later builds
    run_cases.py       the cases of a run's steps and of its baseline, and the verdict by them
    run_measurements.py  the time, size and cost that rules of the gate are on
    run_plots.py       the plots of a run's report
    run_metrics.py     the metrics of a run's steps, and why there are none
    input_objects.py   the objects below inputs in S3, as they count in the keys of steps
    since_baseline.py  what a run has changed since the baseline's
    baseline_files.py  the files of cases and of ids that a baseline names
    kept_outputs.py    the outputs that records and baselines name, copied where merged code made them
    acceptances.py     the misses that somebody has accepted, and those that a run may have accepted
    records.py         the records of steps, by which later runs reuse what they made
    build_time.py      the time limit of a build, which approvals keep to
    published_reports.py  the reports of a build, in the bucket of its run
    run_context.py     the context of a run: repository, target, folder, reporter
    prepared_run.py    a run before deploy: staged, planned, compiled, and what is reused
    run_execution.py   a prepared run deployed, started and watched until it ends
    run_judgement.py   the judgement on a run, with its measurements and what was accepted
    earned_baseline.py  the baseline of a run that has earned it
    run_result.py      the Result of a run, collected and reported
    run.py             the whole line
    pull_request/      report → the check and the comment that a pull request shows
    provision/         policies, and the CloudFormation stack of a flow
    scaffold/          the files that `mlci init` writes
    cli/               the command line
    __main__.py        python -m mlci
"""

__version__ = "0.1.0"
