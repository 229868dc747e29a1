"""moto, for every service that the emulator lacks, and what connects its services with the emulator's.

    moto_server.py                   moto's server application in this process
    dispatch.py                      moto's choice of a service for a request
    refused_operations.py            the operations of moto that claim work which nothing performs
    operation_guard.py               rejects these, and those that moto does not implement
    journal.py                       the requests to repeat after a restart
    inline_objects.py                puts the objects that a request names into the request
    clients.py                       moto's services for state machines: topics, queues, aws-sdk integrations
    event_targets.py                 the events that moto's EventBridge delivers
    lambda_functions.py              Lambda functions that were created in moto
    register.py                      registers the emulator's services and resources with moto
    bridge.py                        the emulator's services as moto calls them
    s3_bridge.py                     moto's S3 over the emulator's
    sts_identity.py                  moto's STS with the role of the server's access key
    cloudformation.py                moto's CloudFormation with corrections
    cloudformation_rollback.py       the events of a stack's resources, and its rollback
    cloudformation_refused.py        the resources whose creation fails
    cloudformation_resource.py       the base of resources that moto lacks
    cloudformation_codebuild.py      AWS::CodeBuild::Project, AWS::CodeConnections::Connection
    cloudformation_ecr.py            AWS::ECR::Repository
    cloudformation_iam.py            AWS::IAM::OIDCProvider
    cloudformation_s3.py             AWS::S3::Bucket, AWS::S3::BucketPolicy
    cloudformation_sagemaker.py      AWS::SageMaker::Model, EndpointConfig, Endpoint, ModelPackageGroup
    cloudformation_stepfunctions.py  AWS::StepFunctions::StateMachine

Modules that import moto are imported late, as moto takes two seconds of one core.
"""
