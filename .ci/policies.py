"""Asks parliament about each role's policy, as `mlci policy` prints them: `python policies.py FILE`, in an environment
with parliament in it. What it complains of without reason is excepted here, with why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from parliament import analyze_policy_string
from parliament.finding import Finding

#: AWS's reference marks both types of resource of these actions as required, though a call is of one of them. So
#: parliament misses the runs of Map states, and the executions of express workflows, which mlci has none of.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
_OTHER_TYPES = {
    ("states:ListExecutions", "arn:*:states:*:*:mapRun:*/*:*"),
    ("states:DescribeExecution", "arn:*:states:*:*:express:*:*:*"),
}


def is_excepted(finding: Finding) -> bool:
    match finding.issue:
        case "RESOURCE_MISMATCH":
            return {(one["action"], one["required_format"]) for one in finding.detail} <= _OTHER_TYPES
        case "PERMISSIONS_MANAGEMENT_ACTIONS":
            # Step Functions and SageMaker are handed a role: one that is named, with the service as a condition.
            return finding.location["actions"] == ["iam:passrole"]
        case "CREDENTIALS_EXPOSURE":
            # A job pulls its image with a registry's token, which opens no repository but those of the same policy.
            return finding.location["actions"] == ["ecr:getauthorizationtoken"]
        case _:
            return False


def main(file: Path) -> int:
    documents = json.loads(file.read_text())
    found = [
        f"{role}: {finding.issue}: {finding.detail} {finding.location}"
        for role, document in documents.items()
        for finding in analyze_policy_string(json.dumps(document, indent=1), include_community_auditors=True).findings
        if not is_excepted(finding)
    ]
    print(*found, f"{len(documents)} policies, {len(found)} findings", sep="\n")
    return 1 if found or not documents else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
