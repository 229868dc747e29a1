"""mlci: continuous integration for machine-learning models. The runner.

The way of the data, which is the direction of the imports, too; `run.py` shows it in one function:

    flow.yaml ─ load ─▶ Flow ─ stage ─▶ Staged ─ plan ─▶ Plan ─ compile ─▶ Definition + execution input
            ─ deploy ─▶ version ARN ─ run ─▶ Outcome ─ judge ─▶ Verdict ─ report ─▶ files, exit code

The map:

    errors.py            the errors that a user reads, and their exit codes
    json_text.py         JSON documents as text that people read
    git_command.py       runs git, as the files of a checkout do not decide
    interrupts.py        work that signals and timeouts interrupt
    commits.py           commits, as people read them
    s3_uris.py           S3 URIs, split into bucket and key
    aws_settings.py      the settings of the aws backend, in one table
    step_types/          one object for each step type
    flow/                flow.yaml → Flow
    stage/               Flow → Staged: hashes of code and data, image URIs
    plan/                Staged → Plan: names, API requests, uploads, thresholds
    compile/             Plan → definition and execution input
    reuse/               Plan → the key of each step: the hash of all that can change its result
    backends/            the local and the aws backend
    gate/                metrics → verdict
    report/              Result → console and files
    costs/               Plan + progress → the estimated cost of steps
    baseline/            the metrics that rules compare with
    records/             what a run leaves in the bucket for later ones
    runs/                the runs of a flow: their folders on this machine, and the reports of builds in the bucket
    outcome/             what came of a run, read and judged
    decisions/           what people decide about runs
    build_environment/   where a run is started: the build, the git repository
    gc/                  what runs left in the bucket, and what of it nothing needs
    model_registry.py    registered models, and decisions about them
    noise.py             how far the metrics of a flow move where only the seed changes
    partial.py           the part of a flow that a run was asked for, and what it takes from earlier runs
    early_imports.py     imports what the end of a run needs while its jobs run
    running/             the arrows of the line, a function each
    run.py               the whole line
    pull_request/        report → the check and the comment that a pull request shows
    provision/           policies, and the CloudFormation stack of a flow
    scaffold/            the files that `mlci init` writes
    cli/                 the command line
    __main__.py          python -m mlci
"""

__version__ = "0.1.0"
