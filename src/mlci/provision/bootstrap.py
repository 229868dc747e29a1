"""`mlci bootstrap`: creates or updates the stack of a flow.

`set_up` is the whole line: current stack → parameter values → change set → consent → execution → install files → next
steps.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.aws_settings import PROVISIONED_SETTINGS
from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.backends.aws.s3_uploads import S3Uploads
from mlci.backends.stop_signal import StopSignal
from mlci.provision.change_set import (
    apply_changes,
    create_bucket_first,
    delete_unusable_stack,
    find_updatable_stack,
)
from mlci.provision.context import Account, RepositoryContext
from mlci.provision.desired_stack import DesiredStack
from mlci.provision.github_connection import complete_handshake, connections_page
from mlci.provision.install_files import install_files
from mlci.provision.parameter_values import current_values, resolve_values, verify_values
from mlci.provision.prompt import Prompt
from mlci.report.stack_report import BootstrapSummary, Line, next_step_lines, resource_lines


def set_up(
    flow: str,
    template: str,
    options: Mapping[str, str],
    repository: RepositoryContext,
    account: Account,
    prompt: Prompt,
) -> int:
    """Create or update the stack of a flow, and return the exit code. `options` are the parameters that the user set.

    Raises: InputError, before anything is created; Stopped and CloudError, after CloudFormation has rolled back.
    """
    current = find_updatable_stack(flow, account)
    values = verify_values(resolve_values(options, current_values(current), repository), current, account)
    values["InstallFiles"] = install_files().sha256 if values["GitHubSecret"] else ""
    desired = DesiredStack(flow, template, values)
    before = create_bucket_first(desired, delete_unusable_stack(current, account, prompt), account, prompt)
    stack = apply_changes(desired, before, account, prompt, needs_consent=True)
    _upload_install_files(flow, stack, account, prompt)
    if values["Connected"] == "false" and complete_handshake(stack.outputs.get("ConnectionArn"), account, prompt):
        desired = DesiredStack(flow, template, {**values, "Connected": "true"})
        stack = apply_changes(desired, stack, account, prompt, needs_consent=stack is before)
    prompt.show(_summary_lines(desired, stack, repository, account))
    return 0


def _upload_install_files(flow: str, stack: Stack, account: Account, prompt: Prompt) -> None:
    """Upload the files that builds install mlci from, unless the bucket has them."""
    files, bucket = install_files(), stack.outputs["Bucket"]
    count = S3Uploads(account.objects).upload(files.uploads(bucket, flow), StopSignal())
    action = "uploaded" if count else "the bucket already has"
    prompt.message(f"{action} mlci {files.version} for builds: {files.uri(bucket, flow)}")


def _summary_lines(desired: DesiredStack, stack: Stack, repository: RepositoryContext, account: Account) -> list[Line]:
    is_connected = desired.values["Connected"] == "true"
    flow_option = f" --flow {repository.flow_file}" if repository.flow_file != "flow.yaml" else ""
    summary = BootstrapSummary(
        flow=desired.flow,
        region=account.region,
        host=desired.values["GitHubHost"],
        repository=desired.values["Repository"],
        outputs=stack.outputs,
        settings=tuple(setting.parameter(desired.flow) for setting in PROVISIONED_SETTINGS),
        uses_actions=desired.values["Trigger"] == "actions",
        has_buildspec=(repository.root / "buildspec.yaml").is_file(),
        connections_page=None if is_connected else connections_page(account),
        command=f"mlci bootstrap{flow_option}",
        has_reporter=bool(desired.values["GitHubSecret"]),
    )
    head = Line(f'The stack "{stack.name}" is complete.', "bold")
    return [head, *resource_lines(summary), *next_step_lines(summary)]
