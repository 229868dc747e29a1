"""The report of a build → what its pull request shows: a check, and one comment. The sending half of `report`.

    models.py            the report of a build on a pull request
    result_document.py   result.json and report.md of a build, as they may be trusted: bounded and validated
    safe_markdown.py     Markdown from a build, without mentions, images, commands and foreign links
    check.py             the check of a report: a check run with its annotations, or a commit status
    comment.py           the comment of a flow on a pull request: its marker, its history, its body
    credentials.py       the token or the App that posts, from the environment, Secrets Manager or SSM
    github_calls.py      the calls to GitHub
    posting.py           posts a report: check first, then the comment; retries, and a total time limit
    actions.py           the report of a run in GitHub Actions
    codebuild.py         the report of a build in CodeBuild
    reporter.py          collects it, from what CodeBuild and the bucket have

All up to `comment.py` is pure. What a build of a pull request wrote is untrusted input throughout.
"""
