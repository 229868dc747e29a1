"""The command line: options → typed values → one call → output. One module for each command.

    main.py           the group of commands, exit codes, the one handler of every error
    options.py        options that commands share, and the typed values that they give
    flow_file.py      the flow of a command, and the folders beside its file
    run_context.py    what a run takes from outside of the flow
    provisioning.py   account, repository, terminal and policies for `bootstrap` and `policy`
    signals.py        signals that end a run early
    streams.py        standard streams whose loss ends no command
    output.py         text on standard output
    init.py           mlci init
    run.py            mlci run
    fresh_steps.py     the steps that are to run, whatever earlier runs have made
    kept_logs.py      the logs of jobs that a build ran itself, from S3
    kept_endpoints.py  the endpoints that `mlci run --keep-endpoint` leaves in service
    validate.py       mlci validate
    plan.py           mlci plan
    graph.py          mlci graph
    definition.py     mlci definition
    list.py           mlci list
    show.py           mlci show
    open.py           mlci open
    history.py        mlci history
    diff.py           mlci diff
    noise.py          mlci noise
    limit_notes.py    notes about limits that are finer than the cases can tell
    logs.py           mlci logs
    report.py         mlci report
    job_summary.py    the report of a run in the summary of a job of GitHub Actions
    config.py         mlci config
    stop.py           mlci stop
    decide.py         the decision of `approve` and `reject`
    approve.py        mlci approve
    accept.py         mlci accept
    reject.py         mlci reject
    clean.py          mlci clean
    gc.py             mlci gc
    baseline.py       mlci baseline
    models.py         mlci models
    bootstrap.py      mlci bootstrap
    policy.py         mlci policy
    buildspec.py      mlci buildspec
    schema.py         mlci schema
    execute.py        mlci execute
    serve.py          mlci serve

A module imports what only its command needs inside of the function, so that `mlci --help` starts at once.
"""

from __future__ import annotations

from mlci.cli.main import main

__all__ = ["main"]
