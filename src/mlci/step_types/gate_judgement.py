"""The verdict on the gate that the state machine asks mlci for, before what stands behind the gate.

Some rules need more than two numbers to compare: the cases of a test, or what a run has cost. The state machine writes
a task's token, and waits. The process that follows the run judges the gate as it does at the run's end, and answers. As
for approvals and the build's jobs, the token decides who may answer: only the build role of a side reads its tokens.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token;
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html (SendTaskSuccess)
"""

from __future__ import annotations

from mlci.step_types.grants import Grant, Grants

#: The field of the token's object by which the question is known, and its value.
JUDGES, JUDGED = "judges", "gate"
#: The time in which the answer has to come. A build that was cut off can start again meanwhile.
ANSWER_S = 600
#: The most characters of the text in an answer: a state's data is limited.
ANSWER_MAX_CHARS = 2_000

#: The rights of the build that answers, beside those on metrics, and of the state machine that asks.
GRANTS = Grants(
    build=(
        Grant("ReadTokens", ("s3:GetObject",), ("s3:{tokens}",)),
        Grant("Answer", ("states:SendTaskFailure", "states:SendTaskSuccess"), ("*",)),
    ),
    workflow=(Grant("WriteTokens", ("s3:PutObject",), ("s3:{tokens}",)),),
)
