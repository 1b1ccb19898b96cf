"""Who may do what: every role, its trust and its statements."""

from __future__ import annotations

import json
from pathlib import Path

import deployment_outputs
from tests.infra.synthesised import Template, flat, listed

NO_RESOURCE_LEVEL = {
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ec2:DescribeInstanceTypes",
    "ecr:GetAuthorizationToken",
    "ecs:DiscoverPollEndpoint",
}
"""Actions that take no resource.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""


OF_SUBMITTERS = "ResultsSubmitterPolicy"
"""For people, who keep the ledgers of their runs in the bucket."""


def roles_with_results(batch: Template) -> set[str]:
    """Construct paths of the roles that carry the policy of results."""
    return {
        body["Metadata"]["aws:cdk:path"]
        for body in batch.resources("AWS::IAM::Role").values()
        if "ResultsPolicy" in flat(body["Properties"].get("ManagedPolicyArns", []))
    }


def test_only_job_roles_may_read_and_write_results(templates: dict[str, Template], batch: Template) -> None:
    """The policy of results is on the job roles; of others only those of programs, builds and people speak of S3."""
    assert roles_with_results(batch) == {
        "CloudHpc-Batch/JobDopi/JobRole/Resource",
        "CloudHpc-Batch/JobDopisecond/JobRole/Resource",
        "CloudHpc-Batch/JobFieldstats/JobRole/Resource",
        "CloudHpc-Batch/JobStandin/JobRole/Resource",
        "CloudHpc-Batch/Mpi/Job/JobRole/Resource",
    }
    speaking_of_s3 = {
        name
        for template in templates.values()
        for name, statement in template.policy_statements()
        if any(action == "*" or action.startswith("s3:") for action in listed(statement["Action"]))
    }
    builds, results, programs, submitter = sorted(speaking_of_s3)
    assert builds.startswith("ResultsBuildsPolicy")
    assert results.startswith("ResultsPolicy")
    assert programs.startswith("ResultsProgramsPolicy")
    assert submitter.startswith(OF_SUBMITTERS)


def test_submitters_tag_and_end_jobs_of_their_deployment_alone(batch: Template) -> None:
    """By the tag that every job of it is submitted with; what another deployment has tagged stays its own."""
    (policy,) = (
        body["Properties"]["PolicyDocument"]["Statement"]
        for logical_id, body in batch.resources("AWS::IAM::ManagedPolicy").items()
        if logical_id.startswith("AccessSubmitter")
    )
    conditions = {action: statement.get("Condition") for statement in policy for action in listed(statement["Action"])}
    own = {"aws:ResourceTag/cloud-hpc:deployment": "CloudHpc"}
    assert conditions["batch:TerminateJob"] == {"StringEquals": own}
    assert conditions["batch:TagResource"] == {
        "StringEquals": {"aws:RequestTag/cloud-hpc:deployment": "CloudHpc"},
        "StringEqualsIfExists": own,
    }


def test_no_role_has_what_is_for_submitters(templates: dict[str, Template]) -> None:
    """The two policies are there to be attached to people: nothing in the templates carries them."""
    for template in templates.values():
        for body in template.resources("AWS::IAM::Role").values():
            assert "Submitter" not in flat(body["Properties"])
        for body in template.resources("AWS::IAM::ManagedPolicy").values():
            assert {"Roles", "Users", "Groups"}.isdisjoint(body["Properties"])


def test_a_submitter_is_told_that_an_object_is_not_there(storage: Template) -> None:
    """S3 says 404 to whom may list the bucket, whatever the prefix, and 403 to others: hpc asks before it sends."""
    statements = [each for name, each in storage.policy_statements() if name.startswith("ResultsSubmitterPolicy")]
    (listing,) = [each for each in statements if each["Action"] == "s3:ListBucket"]
    assert "Condition" not in listing
    assert not [each for each in statements if "/builds/" in flat(each["Resource"])]


def test_a_barrier_may_do_nothing(batch: Template) -> None:
    """Its job role has no policy of any kind."""
    role = batch.properties("AWS::IAM::Role", "JobBarrier/JobRole")
    assert {"ManagedPolicyArns", "Policies"}.isdisjoint(role)
    assert not [name for name, _ in batch.policy_statements() if name.startswith("JobBarrierJobRole")]


def test_results_end_at_their_prefix(storage: Template) -> None:
    """Objects are read and written, and keys listed, under `results/` of the one bucket; nothing is deleted."""
    statements = [statement for name, statement in storage.policy_statements() if name.startswith("ResultsPolicy")]
    objects, listing = statements
    assert objects["Action"] == ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    assert objects["Resource"] == {"Fn::Join": ["", [{"Fn::GetAtt": ["ResultsBucket46167C27", "Arn"]}, "/results/*"]]}
    assert listing["Action"] == "s3:ListBucket"
    assert listing["Resource"] == {"Fn::GetAtt": ["ResultsBucket46167C27", "Arn"]}
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "results/*"}}
    assert [statement["Effect"] for statement in statements] == ["Allow", "Allow"]


def test_ledgers_of_runs_are_out_of_the_reach_of_jobs(templates: dict[str, Template], batch: Template) -> None:
    """No statement of any role covers `runs/`: those about S3 end at other prefixes, or tell of the bucket alone."""
    assert batch.document["Outputs"]["RunsPrefix"]["Value"] == "runs/"
    for template in templates.values():
        for name, statement in template.policy_statements():
            if name.startswith(OF_SUBMITTERS):
                continue
            if any(action.startswith("s3:") for action in listed(statement["Action"])):
                said = flat([statement["Resource"], statement.get("Condition", {})])
                if statement["Action"] != ["s3:GetBucketAcl", "s3:GetBucketLocation"]:
                    assert any(f"{prefix}/*" in said for prefix in ("results", "programs", "builds")), name
                assert "runs" not in said, name


def test_bucket_policies_let_nobody_read(storage: Template) -> None:
    """What bucket policies allow is S3's own delivery of access logs, for this bucket and account."""
    allowed = [
        statement
        for body in storage.resources("AWS::S3::BucketPolicy").values()
        for statement in body["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    (delivery,) = allowed
    assert delivery["Action"] == "s3:PutObject"
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert set(delivery["Condition"]) == {"ArnLike", "StringEquals"}


def test_an_execution_role_pulls_its_own_image_and_writes_the_log(batch: Template) -> None:
    """ECS can start the job and nothing more; the other image is out of reach."""
    for job, other in (("Dopi", "ImageDopisecond"), ("Dopisecond", "ImageDopiRepository")):
        statements = [
            statement for name, statement in batch.policy_statements() if name.startswith(f"Job{job}ExecutionRole")
        ]
        actions = {action for statement in statements for action in listed(statement["Action"])}
        assert actions == {
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        }
        assert f"Image{job}Repository" in flat(statements)
        assert other not in flat(statements)


def test_the_instance_role_is_the_ecs_agents(batch: Template) -> None:
    """No AWS managed policy, no clusters made, no image pulled and no log written by the instance itself."""
    actions = {
        action
        for name, statement in batch.policy_statements()
        if name.startswith("CapacityEc2AgentPolicy")
        for action in listed(statement["Action"])
    }
    assert all(action.startswith("ecs:") for action in actions)
    assert {"ecs:Poll", "ecs:RegisterContainerInstance", "ecs:SubmitTaskStateChange"} <= actions
    assert "ecs:CreateCluster" not in actions
    assert "ManagedPolicyArns" not in batch.properties("AWS::IAM::Role", "Capacity/Ec2/InstanceRole")


def test_the_environment_is_gone_before_its_instances_lose_their_rights(batch: Template) -> None:
    """CloudFormation makes the agent's policy first and deletes it last, or the environment could not be deleted."""
    (environment,) = [
        body
        for body in batch.resources("AWS::Batch::ComputeEnvironment").values()
        if body["Metadata"]["aws:cdk:path"].endswith("/Capacity/Ec2/Environment/Resource")
    ]
    (policy,) = [name for name in batch.resources("AWS::IAM::Policy") if name.startswith("CapacityEc2AgentPolicy")]
    assert policy in environment["DependsOn"]


def test_a_bare_wildcard_stands_only_where_an_action_takes_no_resource(templates: dict[str, Template]) -> None:
    """`Resource: *` is allowed to these actions, no action is a wildcard, and nothing is granted by exclusion."""
    for template in templates.values():
        for name, statement in template.policy_statements():
            assert "*" not in flat(statement["Action"]), name
            assert "NotAction" not in statement, name
            assert "NotResource" not in statement, name
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= NO_RESOURCE_LEVEL, name


def test_roles_are_for_services_only(templates: dict[str, Template]) -> None:
    """No account, user or `*` is trusted; programs run, and are started, only for tasks of this account."""
    services: dict[str, str] = {}
    for template in templates.values():
        for body in template.resources("AWS::IAM::Role").values():
            (statement,) = body["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            path = body["Metadata"]["aws:cdk:path"]
            assert set(statement["Principal"]) == {"Service"}, path
            services[path] = statement["Principal"]["Service"]
            if path.endswith(("/JobRole/Resource", "/ExecutionRole/Resource")):
                assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert set(services.values()) == {
        "codebuild.amazonaws.com",
        "ec2.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }


def test_findings_are_acknowledged_where_they_arise_and_with_the_mechanism(assembly: Path) -> None:
    """These acknowledgements and no others; none on a stack or the app, each with a reason of some words."""
    acknowledged: dict[str, set[str]] = {}
    for metadata in assembly.glob("*.metadata.json"):
        for path, entries in json.loads(metadata.read_text(encoding="utf-8")).items():
            for entry in entries:
                rules = entry["data"] if entry["type"] == "aws:cdk:acknowledged-rules" else {}
                for rule, reason in rules.items():
                    if "AwsSolutions-" in rule:
                        acknowledged.setdefault(path, set()).add(rule.partition("AwsSolutions-")[2])
                        assert len(reason.split()) >= 4, f"{path}: {reason}"
    ecs = "IAM5[Resource::arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>"
    submitter = acknowledged.pop("/CloudHpc-Batch/Access/Submitter/Policy")
    assert len(submitter) == 5 + len(deployment_outputs.JOB_DEFINITIONS)
    assert {rule.partition("[")[0] for rule in submitter} == {"IAM5"}
    assert acknowledged.pop("/CloudHpc-Storage/Results/SubmitterPolicy") == {
        f"IAM5[Resource::<ResultsBucket46167C27.Arn>/{prefix}/*]" for prefix in ("programs", "results", "runs")
    }
    agent = {"IAM5[Resource::*]", f"{ecs}:cluster/*]", f"{ecs}:container-instance/*]"}
    assert acknowledged == {
        "/CloudHpc-Batch/Capacity/Ec2/AgentPolicy": agent,
        "/CloudHpc-Batch/Capacity/Ec2Spot/AgentPolicy": agent,
        "/CloudHpc-Batch/Images/Builder/Policy": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/Images/Builder/Project": {"CB3", "CB4"},
        "/CloudHpc-Batch/JobBarrier/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/JobDopi/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/JobDopisecond/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/JobFieldstats/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/JobStandin/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/Mpi/Job/BringUpSecret/Secret": {"SMG4"},
        "/CloudHpc-Batch/Mpi/Job/ExecutionRole": {"IAM5[Resource::*]"},
        "/CloudHpc-Batch/Mpi/Queue/Compute/AgentPolicy": agent,
        "/CloudHpc-Storage/Results/BuildsPolicy": {"IAM5[Resource::<ResultsBucket46167C27.Arn>/builds/*]"},
        "/CloudHpc-Storage/Results/ProgramsPolicy": {"IAM5[Resource::<ResultsBucket46167C27.Arn>/programs/*]"},
        "/CloudHpc-Storage/Results/Policy": {"IAM5[Resource::<ResultsBucket46167C27.Arn>/results/*]"},
    }
