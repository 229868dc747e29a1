"""`mlci bootstrap` as a whole: what is there afterwards, whatever goes wrong and whatever is answered."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import boto3
import pytest

from mlci import __version__
from mlci.errors import CloudError, InputError, Stopped
from mlci.provision.install_files import install_files
from support.bootstrap_account import BUCKET, FLOW, STACK, TEMPLATE, Answers, Boot
from support.fake_aws import ACCOUNT, REGION
from support.fake_cloudformation import FormationStack, refusal


def test_a_stack_is_made_and_a_second_time_nothing_changes(boot: Boot, yes: Answers) -> None:
    assert boot.set_up(yes) == 0
    assert boot.stack is not None
    assert (boot.stack.status, boot.stack.tags) == ("UPDATE_COMPLETE", {"mlci:flow": FLOW})
    assert boot.stack.parameters["Repository"] == "octo/model"
    assert boot.stack.parameters["Connected"] == "true"
    assert "PullRequestProject" in boot.stack.resources
    assert f'stack "{STACK}" in {REGION}' in yes.text
    assert [event.resource for event in yes.events if event.status == "CREATE_COMPLETE"] == [
        "Bucket",
        "GitHubConnection",
        "WorkflowRole",
        STACK,
        "PullRequestProject",
    ]
    again = Answers(is_interactive=False)
    assert boot.set_up(again) == 0
    assert "no changes" in again.text
    assert not boot.formation.change_sets


def test_the_bucket_gets_what_builds_install_once(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes)
    files = install_files()
    folder = f"mlci/{FLOW}/install/{files.sha256}/"
    assert f"uploaded mlci {__version__} for builds: s3://{BUCKET}/{folder}" in yes.said
    s3 = boto3.client("s3", region_name=REGION)
    entries = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {entry["Key"] for entry in entries} == {f"{folder}{name}" for name in files.files}
    again = Answers(assume_yes=True)
    boot.set_up(again)
    assert f"the bucket already has mlci {__version__} for builds: s3://{BUCKET}/{folder}" in again.said
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == len(files.files)


def test_what_is_not_given_again_keeps_its_value(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes, RunRetention="30", BaseBranch="trunk")
    again = Answers(assume_yes=True)
    boot.set_up(again, CodeRetention="60")
    assert boot.stack is not None
    values = boot.stack.parameters
    assert (values["RunRetention"], values["CodeRetention"], values["BaseBranch"]) == ("30", "60", "trunk")
    assert "  CodeRetention  180 → 60" in again.said


def test_a_value_can_be_taken_back(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes, ChangedFiles="inputs")
    assert boot.stack is not None
    assert boot.stack.parameters["ChangedFiles"] == "^(flow\\.yaml)$"
    boot.set_up(Answers(assume_yes=True), ChangedFiles="")
    assert boot.stack.parameters["ChangedFiles"] == ""


def test_a_no_leaves_nothing(boot: Boot) -> None:
    prompt = Answers([False])
    with pytest.raises(Stopped, match="nothing was changed"):
        boot.set_up(prompt)
    assert prompt.questions == ["Make these changes?"]
    assert not boot.formation.living
    assert not boot.formation.change_sets


def test_a_no_to_a_change_leaves_the_stack_as_it_is(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes)
    with pytest.raises(Stopped):
        boot.set_up(Answers([False]), RunRetention="30")
    assert boot.stack is not None
    assert boot.stack.parameters["RunRetention"] == "90"
    assert not boot.formation.change_sets


def test_without_a_terminal_it_shows_the_changes_and_makes_none(boot: Boot) -> None:
    prompt = Answers(is_interactive=False)
    with pytest.raises(InputError, match=r"there is no terminal.*--yes"):
        boot.set_up(prompt)
    assert "  + Bucket" in prompt.text
    assert not boot.formation.living


def test_a_creation_that_fails_leaves_nothing_not_even_the_bucket(boot: Boot, yes: Answers) -> None:
    boot.formation.fails["WorkflowRole"] = "Cannot exceed quota for RolesPerAccount: 1000"
    with pytest.raises(CloudError, match=r"could not be created.*WorkflowRole.*Cannot exceed quota.*Nothing is left"):
        boot.set_up(yes)
    assert not boot.formation.living
    assert boot.buckets == []


def test_a_change_that_fails_leaves_the_stack_as_it_was(boot: Boot, yes: Answers) -> None:
    boot.connections.statuses = ["PENDING"]
    boot.set_up(yes)
    boot.connections.statuses = ["AVAILABLE"]
    boot.formation.fails["PullRequestProject"] = "Connection is not available"
    with pytest.raises(CloudError, match=r"could not be updated.*not available.*is as it was before"):
        boot.set_up(yes)
    assert boot.stack is not None
    assert boot.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert boot.stack.parameters["Connected"] == "false"
    boot.formation.fails.clear()
    assert boot.set_up(yes) == 0
    assert boot.stack.parameters["Connected"] == "true"


def interrupting(prompt: Answers, when: Callable[[FormationStack], bool]) -> Callable[[FormationStack], None]:
    """Interrupts once, and goes on when that was heard."""

    def at(stack: FormationStack) -> None:
        if when(stack) and "rolls back" not in prompt.text:
            prompt.heard.put("stopped by SIGINT")
            while "rolls back" not in prompt.text:
                time.sleep(0.01)

    return at


def test_an_interrupt_while_it_is_made_takes_it_all_back(boot: Boot, yes: Answers) -> None:
    boot.formation.at = interrupting(yes, lambda stack: "Bucket" in stack.resources)
    with pytest.raises(Stopped, match=r"stopped\. Nothing is left") as raised:
        boot.set_up(yes)
    assert raised.value.exit_code == 4
    assert not boot.formation.living
    assert boot.buckets == []


def test_an_interrupt_of_a_change_sets_it_back(boot: Boot, yes: Answers) -> None:
    boot.connections.statuses = ["PENDING"]
    boot.set_up(yes)
    boot.connections.statuses = ["AVAILABLE"]

    boot.formation.at = interrupting(yes, lambda stack: stack.status == "UPDATE_IN_PROGRESS")
    with pytest.raises(Stopped, match="as it was before"):
        boot.set_up(yes)
    assert "cancel_update_stack" in boot.formation.calls
    assert boot.stack is not None
    assert "PullRequestProject" not in boot.stack.resources


def test_a_change_set_that_fails_leaves_nothing(boot: Boot, yes: Answers) -> None:
    boot.formation.change_set_fault = "Template error: unresolved resource dependencies [X]"
    with pytest.raises(CloudError, match="could not create the change set: Template error"):
        boot.set_up(yes)
    assert not boot.formation.living
    assert not boot.formation.change_sets


def test_what_an_earlier_attempt_left_is_cleared_away(boot: Boot, yes: Answers) -> None:
    boot.formation.create_change_set(STACK, "left", "CREATE", TemplateBody=TEMPLATE, Parameters=[], Tags=[])
    assert boot.set_up(yes) == 0
    assert "left by a change set that was never executed" in yes.text
    assert [stack.status for stack in boot.formation.living] == ["UPDATE_COMPLETE"]


def test_what_failed_before_is_not_deleted_unasked(boot: Boot) -> None:
    boot.formation.stacks["arn:1"] = FormationStack("arn:1", STACK, "ROLLBACK_FAILED", tags={"mlci:flow": FLOW})
    prompt = Answers([False])
    with pytest.raises(Stopped, match="nothing was changed"):
        boot.set_up(prompt)
    assert prompt.questions == ["Delete it?"]
    assert boot.stack is not None


def test_a_creation_that_another_tool_saw_fail_is_deleted_first(boot: Boot, yes: Answers) -> None:
    stack = FormationStack("arn:1", STACK, "ROLLBACK_COMPLETE", tags={"mlci:flow": FLOW})
    boot.formation.stacks["arn:1"] = stack
    assert boot.set_up(yes) == 0
    assert "must be deleted first: an earlier operation failed (ROLLBACK_COMPLETE)" in yes.text


@pytest.mark.parametrize(
    ("status", "tags", "words"),
    [
        ("CREATE_COMPLETE", {}, "mlci did not create it"),
        ("CREATE_COMPLETE", {"mlci:flow": "other"}, 'belongs to the flow "other"'),
        ("ROLLBACK_COMPLETE", {}, "mlci did not create it"),
        ("UPDATE_IN_PROGRESS", {"mlci:flow": FLOW}, "is in progress"),
        ("DELETE_IN_PROGRESS", {"mlci:flow": FLOW}, "is in progress"),
        ("UPDATE_ROLLBACK_FAILED", {"mlci:flow": FLOW}, "continue-update-rollback"),
    ],
)
def test_a_stack_that_is_not_to_be_touched_is_not(
    boot: Boot, yes: Answers, status: str, tags: dict[str, str], words: str
) -> None:
    boot.formation.stacks["arn:1"] = FormationStack("arn:1", STACK, status, tags=tags)
    with pytest.raises(InputError, match=words):
        boot.set_up(yes)
    assert {call for call in boot.formation.calls if not call.startswith("describe_")} == set()


def test_rights_that_are_missing_are_told(boot: Boot, yes: Answers) -> None:
    message = "User me is not authorized to perform: cloudformation:CreateChangeSet"
    boot.formation.refuses["create_change_set"] = refusal("CreateChangeSet", "AccessDenied", message, 403)
    with pytest.raises(
        InputError, match=r"not authorized to perform: cloudformation:CreateChangeSet.*needs permissions"
    ):
        boot.set_up(yes)


LARGE = TEMPLATE.replace(
    "Outputs:", f'  LargeRole: {{Type: "AWS::IAM::Role", Properties: {{Description: "{"x" * 60_000}"}}}}\nOutputs:'
)


def test_a_template_that_is_too_long_is_sent_without_its_blanks(boot: Boot, yes: Answers) -> None:
    blanks = "\n".join(f"  # {'x' * 100}" for _ in range(600))
    assert boot.set_up(yes, TEMPLATE + blanks) == 0
    assert boot.formation.urls == []


def test_a_template_that_is_too_large_for_a_request_is_read_from_the_bucket_which_comes_first(boot: Boot) -> None:
    prompt = Answers([True, True])
    boot.set_up(prompt, LARGE)
    assert "The template has more than 51,200 bytes" in prompt.said[0]
    assert len(prompt.questions) == 2  # the projects, of which the connection is there at once, take none
    made = [event.resource for event in prompt.events if event.status == "CREATE_COMPLETE"]
    assert made[:2] == ["Bucket", STACK]
    assert "LargeRole" in made
    [url] = set(boot.formation.urls)
    name = hashlib.sha256(LARGE.encode()).hexdigest()
    assert url == f"https://s3.{REGION}.amazonaws.com/{BUCKET}/mlci/{FLOW}/install/templates/{name}.yaml"
    again = Answers(is_interactive=False)
    assert boot.set_up(again, LARGE) == 0
    assert "no changes" in again.text


def test_a_no_to_the_rest_leaves_the_bucket_and_a_later_yes_goes_on(boot: Boot, yes: Answers) -> None:
    with pytest.raises(Stopped):
        boot.set_up(Answers([True, False]), LARGE)
    assert boot.stack is not None
    assert list(boot.stack.resources) == ["Bucket"]
    assert boot.set_up(yes, LARGE) == 0
    assert "LargeRole" in boot.stack.resources


def test_a_template_is_read_from_the_bucket_that_is_given(boot: Boot, yes: Answers) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="given", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert boot.set_up(yes, LARGE, ExistingBucket="given") == 0
    assert {url.split("/")[3] for url in boot.formation.urls} == {"given"}
    assert "first" not in yes.said[0]


def test_a_template_that_is_too_large_for_cloudformation_is_an_error(boot: Boot, yes: Answers) -> None:
    with pytest.raises(InputError, match=r"the template has 1,0.* bytes; CloudFormation accepts 1,000,000"):
        boot.set_up(yes, LARGE + f"# {'x' * 1_000_000}")
    assert boot.stack is None


def test_a_pending_connection_is_a_next_step_for_a_script(boot: Boot, yes: Answers) -> None:
    boot.connections.statuses = ["PENDING"]
    assert boot.set_up(yes) == 0
    assert boot.stack is not None
    assert boot.stack.parameters["Connected"] == "false"
    assert "1. Complete the connection to GitHub" in yes.text
    assert f"https://{REGION}.console.aws.amazon.com/codesuite/settings/connections" in yes.text


def test_a_person_completes_it_while_it_is_waited_for(boot: Boot) -> None:
    boot.connections.statuses = ["PENDING", "AVAILABLE"]
    prompt = Answers([True])
    assert boot.set_up(prompt) == 0
    assert boot.stack is not None
    assert boot.stack.parameters["Connected"] == "true"
    assert "Update pending connection" in prompt.text
    assert len(prompt.questions) == 1


def test_waiting_for_it_ends_with_an_interrupt_and_no_harm(boot: Boot) -> None:
    boot.connections.statuses = ["PENDING"]
    boot.set_up(Answers([True], is_interactive=True, assume_yes=True))
    prompt = Answers()
    prompt.heard.put("stopped by SIGINT")
    assert boot.set_up(prompt) == 0
    assert "Complete the connection to GitHub" in prompt.text
    assert boot.stack is not None
    assert boot.stack.status == "CREATE_COMPLETE"


def test_once_there_are_projects_they_stay_whatever_becomes_of_the_connection(boot: Boot, yes: Answers) -> None:
    boot.set_up(yes)
    boot.connections.statuses = ["ERROR"]
    assert boot.set_up(yes, RunRetention="30") == 0
    assert boot.stack is not None
    assert boot.stack.parameters["Connected"] == "true"


def test_the_provider_that_the_account_has_is_taken(boot: Boot, yes: Answers) -> None:
    iam = boto3.client("iam")
    made = iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"]
    )["OpenIDConnectProviderArn"]
    boot.set_up(yes)
    assert boot.stack is not None
    assert boot.stack.parameters["OidcProvider"] == ""
    boot.set_up(yes, Trigger="actions")
    assert boot.stack.parameters["OidcProvider"] == made
    assert f"gh variable set MLCI_REGION --repo octo/model --body {REGION}" in yes.text
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=made)
    boot.set_up(yes)  # the stack makes another
    assert boot.stack.parameters["OidcProvider"] == ""


def test_the_bucket_of_a_failed_creation_that_holds_something_is_told_of(boot: Boot, yes: Answers) -> None:
    boot.formation.fails["WorkflowRole"] = "no"
    real = boot.formation.on_make

    def make(kind: str, name: str) -> None:
        real(kind, name)
        if kind == "AWS::S3::Bucket":
            boto3.client("s3", region_name=REGION).put_object(Bucket=name, Key="x", Body=b"x")

    boot.formation.on_make = make
    with pytest.raises(CloudError, match=f"Not everything could be removed: Bucket {BUCKET}"):
        boot.set_up(yes)
    assert boot.buckets == [BUCKET]


@pytest.mark.parametrize("is_creation", [True, False])
def test_a_change_set_that_can_not_be_executed_is_not_left(boot: Boot, yes: Answers, is_creation: bool) -> None:
    if not is_creation:
        boot.set_up(yes)
    refused = refusal("ExecuteChangeSet", "ValidationError", "a stack policy forbids it")
    boot.formation.refuses["execute_change_set"] = refused
    with pytest.raises(CloudError, match="a stack policy forbids it"):
        boot.set_up(yes, RunRetention="30")
    assert not boot.formation.change_sets
    assert bool(boot.formation.living) != is_creation


def test_a_reporter_installs_the_mlci_that_set_it_up(boot: Boot, yes: Answers) -> None:
    secret = boto3.client("secretsmanager", region_name=REGION).create_secret(Name="github", SecretString="x")["ARN"]
    assert boot.set_up(yes, GitHubSecret=secret) == 0
    assert boot.stack is not None
    assert boot.stack.parameters["InstallFiles"] == install_files().sha256
    assert "--github-secret ARN" not in yes.text


def test_a_github_enterprise_server_is_the_source_of_the_projects(boot: Boot, yes: Answers) -> None:
    boot.origin, boot.connections.provider = "github.example.com/octo/model", "GitHubEnterpriseServer"
    connection = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{'0' * 36}"
    assert boot.set_up(yes, GitHubHost="github.example.com", Connection=connection) == 0
    assert boot.stack is not None
    values = boot.stack.parameters
    assert (values["GitHubHost"], values["Repository"]) == ("github.example.com", "octo/model")
    assert "https://github.example.com/octo/model/settings/rules" in yes.text
    boot.connections.provider = "GitHub"
    with pytest.raises(InputError, match=r"to GitHub, and github\.example\.com needs one to GitHubEnterpriseServer"):
        boot.set_up(yes)
