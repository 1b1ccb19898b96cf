"""Who may use a resource, as the policies of the templates say."""

from __future__ import annotations

from typing import Any

import pytest

from runner.assembly.permissions import NOBODY, NOT_YET, users
from tests.runner.assembly.large import arn, ref
from tests.runner.assembly.templates import one_stack

BUCKET: tuple[str, dict[str, Any]] = ("AWS::S3::Bucket", {})
ROLE: tuple[str, dict[str, Any]] = ("AWS::IAM::Role", {})


def allowing(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    """A policy's document of one statement."""
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


def told(**resources: tuple[str, dict[str, Any]]) -> dict[str, str]:
    """Path -> who may use it."""
    return {resource.path: who for resource, who in users(one_stack(**resources)).items()}


def test_roles_with_the_same_rights_are_told_together() -> None:
    """By their names, which end alike; a policy is used by the roles that have it."""
    policy = {"Roles": [ref("A/JobRole"), ref("B/JobRole")], "PolicyDocument": allowing("s3:GetObject", arn("Bucket"))}
    found = told(**{"Bucket": BUCKET, "A/JobRole": ROLE, "B/JobRole": ROLE, "P": ("AWS::IAM::Policy", policy)})
    assert found["Bucket"] == "JobRole of A, B: GetObject"
    assert found["P"] == "JobRole of A, B"


def test_a_policy_that_no_role_has_waits_for_somebody() -> None:
    """It names what it would allow, to whoever is given it."""
    policy = {"PolicyDocument": allowing(["s3:PutObject", "s3:GetObject"], {"Fn::Sub": "${Bucket.Arn}/*"})}
    found = told(**{"Bucket": BUCKET, "Submitter/Policy": ("AWS::IAM::ManagedPolicy", policy)})
    assert found == {"Bucket": "who has Submitter/Policy: GetObject, PutObject", "Submitter/Policy": NOT_YET}


def test_a_role_is_used_by_whoever_may_take_it_on() -> None:
    """Policies inside of the role and managed ones that it names are its own."""
    role = {
        "AssumeRolePolicyDocument": {
            "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
        },
        "Policies": [{"PolicyDocument": allowing("s3:GetObject", arn("Bucket"))}],
        "ManagedPolicyArns": [ref("Managed")],
    }
    managed = {"PolicyDocument": allowing("s3:PutObject", arn("Bucket"))}
    found = told(Bucket=BUCKET, Role=("AWS::IAM::Role", role), Managed=("AWS::IAM::ManagedPolicy", managed))
    assert found == {
        "Bucket": "Role: GetObject, PutObject",
        "Role": "ec2.amazonaws.com: AssumeRole",
        "Managed": "Role",
    }


@pytest.mark.parametrize(
    ("kind", "policy_type", "properties"),
    [
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", {}),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", {}),
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", {}),
    ],
)
def test_policies_of_resources_name_their_users(kind: str, policy_type: str, properties: dict[str, Any]) -> None:
    """What is denied grants nothing."""
    document = allowing("x:Send", arn("It"), Principal={"Service": "events.amazonaws.com"})
    document["Statement"].append({"Effect": "Deny", "Action": "x:*", "Resource": arn("It"), "Principal": {"AWS": "*"}})
    found = told(It=(kind, properties), Policy=(policy_type, {"PolicyDocument": document}))
    assert found == {"It": "events.amazonaws.com: Send", "Policy": NOBODY}


def test_a_policy_in_a_text_is_read() -> None:
    """As CDK writes those of log groups: JSON joined from pieces."""
    document = {
        "Fn::Join": [
            "",
            [
                '{"Statement":[{"Effect":"Allow","Action":"logs:Put","Principal":{"Service":"a.b"},"Resource":"',
                arn("Log"),
                '"}]}',
            ],
        ]
    }
    found = told(Log=("AWS::Logs::LogGroup", {}), Policy=("AWS::Logs::ResourcePolicy", {"PolicyDocument": document}))
    assert found["Log"] == "a.b: Put"


def test_a_key_of_its_own_policy_and_a_function_of_its_permission() -> None:
    """The account's root is the account's IAM; a wildcard names nothing of ours."""
    key = {
        "KeyPolicy": {
            "Statement": [
                {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": {"Fn::Join": ["", ["arn:", "root"]]}}}
            ]
        }
    }
    permission = {"FunctionName": arn("F"), "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    found = told(
        Key=("AWS::KMS::Key", key),
        F=("AWS::Lambda::Function", {}),
        Called=("AWS::Lambda::Permission", permission),
        Reader=("AWS::IAM::ManagedPolicy", {"PolicyDocument": allowing("batch:DescribeJobs", "*")}),
    )
    assert found["Key"] == "the account, by IAM: *"
    assert found["F"] == "events.amazonaws.com: InvokeFunction"
    assert found["Reader"] == NOT_YET
