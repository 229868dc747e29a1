"""The local cloud's face: an AWS endpoint on loopback, for boto3, the AWS CLI, Terraform and whatever else speaks AWS.

server.py       start, what to export, stop
folder.py       the data folder, which one server may have
guard.py        who may ask at all
scope.py        the access key, region and service that a signed request names
listener.py     HTTP: waitress, with the guard in front of a request's body
application.py  which service a request is for
awsjson.py      AWS's JSON protocol for the services that are ours
validation.py   what botocore's model says of a request, in AWS's words
answers.py      errors, in the shape of the protocol that the client speaks
behind.py       moto, in this process, for the services that are not ours
journal.py      what was asked of moto, so that it can be asked again after a restart
joblogs.py      the logs of jobs, as CloudWatch Logs has them
restcalls.py    Invoke and InvokeEndpoint
functions.py    the code of Lambda functions, which moto keeps and which run here
joined/         moto's other services see our buckets and state machines, and make them
inlined.py      what a request to moto names in a bucket, put into the request
clients.py      moto's services for state machines: topics, queues, aws-sdk integrations
parts.py        all services, put together over one data folder
"""

from __future__ import annotations
