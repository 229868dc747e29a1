"""What an account needs for a flow, as text: least-privilege policies, and the CloudFormation template around them.

`needs` reads off a flow what its runs will ask AWS for, `policies` makes each role's policy of it, `template` the stack
with `parameters`, and `names` says what they are called. All of it is pure.
"""
