"""The build or the person that starts a run, and the checkout that it starts from.

build.py        the build that runs, according to variables and git
git.py          the commit and the branches of the repository
git_history.py  its uncommitted files, and the order of its commits
time_limit.py   how long the build may take
"""
