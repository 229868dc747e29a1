"""The AWS resources that a flow needs: policies, and one CloudFormation stack with its changes and its teardown.

From the flow to the template; these modules are pure:
    arn_values.py                checks of values that become part of an ARN
    access_requirements.py       a flow → what its runs access in AWS
    stack_names.py               names of the stack, its roles, projects and log groups
    stack_parameters.py          the template's parameters, which are also options of `mlci bootstrap`
    policy_statements.py         a policy's statements and document, and the account that they are about
    policy_sizes.py              statements divided into policies within IAM's limit
    secret_access.py             the statements by which jobs read secrets
    iam_policies.py              access requirements → the policy of each role
    cloudformation_functions.py  intrinsic functions and resources as a template holds them
    iam_roles.py                 the roles with their trust policies, and the managed policies
    image_repositories.py        the ECR repositories of the images that runs build
    storage_resources.py         the bucket with its policy, and the ECR repository
    reporter_project.py          the project that posts reports, and the rule that starts it
    codebuild_projects.py        the two CodeBuild projects and their webhooks
    grouped_texts.py             a template in fewer characters
    template.py                  all of it as one template, in YAML

From the template to a stack; these modules call AWS and talk to the user:
    context.py                   the AWS account and the Git repository that a command works on
    prompt.py                    output, events and questions on the terminal
    preflight.py                 checks of the resources that parameters refer to
    parameter_values.py          the value of each parameter: option, current stack, repository or default
    github_repository.py         the ID of a public repository
    desired_stack.py             the stack as it should be, and the change set to request
    change_set.py                one change set: created, previewed, confirmed, executed
    stack_execution.py           a change set or a deletion, followed to its result
    wheel.py                     the wheel of the mlci that runs
    install_files.py             the files that builds install mlci from
    github_connection.py         the handshake of the connection to GitHub
    teardown.py                  `mlci bootstrap --delete`
    bootstrap.py                 `mlci bootstrap`: the whole line in one function
"""
