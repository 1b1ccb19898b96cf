"""Results and images: private, encrypted, kept, and never overwritten in silence."""

from __future__ import annotations

from tests.infra.synthesised import STACKS, Template, flat

PRIVATE = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}


def test_every_bucket_is_private_and_encrypted(storage: Template) -> None:
    """Public access is blocked four ways, ACLs do not exist, and what is stored is encrypted."""
    buckets = [body["Properties"] for body in storage.resources("AWS::S3::Bucket").values()]
    assert len(buckets) == 2
    for bucket in buckets:
        assert bucket["PublicAccessBlockConfiguration"] == PRIVATE
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_every_bucket_speaks_tls_only(storage: Template) -> None:
    """Each bucket's policy denies everybody every action over a plain connection."""
    policies = [body["Properties"] for body in storage.resources("AWS::S3::BucketPolicy").values()]
    assert {policy["Bucket"]["Ref"] for policy in policies} == set(storage.resources("AWS::S3::Bucket"))
    for policy in policies:
        (denial,) = [statement for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] == "Deny"]
        assert denial["Action"] == "s3:*"
        assert denial["Principal"] == {"AWS": "*"}
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert len(denial["Resource"]) == 2


def test_a_result_that_is_overwritten_can_be_brought_back(storage: Template) -> None:
    """Objects are versioned; old versions and abandoned uploads expire, current objects do not."""
    bucket = storage.properties("AWS::S3::Bucket", "Results/Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if "Prefix" not in rule]
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "ExpirationInDays" not in rule


def test_programs_that_were_sent_are_deleted_after_a_while(storage: Template) -> None:
    """Under their own prefix, old versions soon after."""
    rules = storage.properties("AWS::S3::Bucket", "Results/Bucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if rule.get("Prefix") == "programs/"]
    assert (rule["ExpirationInDays"], rule["Status"]) == (30, "Enabled")


def test_ledgers_stay_and_their_old_copies_go(storage: Template) -> None:
    """A ledger is written again and again while its run goes on: only its last state is worth its bytes."""
    rules = storage.properties("AWS::S3::Bucket", "Results/Bucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if rule.get("Prefix") == "runs/"]
    assert rule == {
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "Prefix": "runs/",
        "Status": "Enabled",
    }


def test_requests_to_the_results_are_logged_for_a_while(storage: Template) -> None:
    """The bucket's access log goes to a bucket of its own whose objects expire."""
    bucket = storage.properties("AWS::S3::Bucket", "Results/Bucket")
    destination = bucket["LoggingConfiguration"]["DestinationBucketName"]["Ref"]
    log_bucket = storage.resources("AWS::S3::Bucket")[destination]["Properties"]
    assert [rule["ExpirationInDays"] for rule in log_bucket["LifecycleConfiguration"]["Rules"]] == [90]


def test_results_outlive_the_stack_and_images_do_not(storage: Template) -> None:
    """`cdk destroy` leaves the buckets, and takes what can be made again."""
    for bucket in storage.resources("AWS::S3::Bucket").values():
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    for repository in storage.resources("AWS::ECR::Repository").values():
        assert repository["DeletionPolicy"] == "Delete"
        assert repository["Properties"]["EmptyOnDelete"] is True


def test_a_tag_never_changes_its_image(storage: Template) -> None:
    """Repositories refuse a second push of a tag, scan what is pushed, keep the newest ten, and encrypt by default."""
    repositories = [body["Properties"] for body in storage.resources("AWS::ECR::Repository").values()]
    assert len(repositories) == 6
    for repository in repositories:
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository.get("EncryptionConfiguration", {"EncryptionType": "AES256"}) == {"EncryptionType": "AES256"}
        assert '"countNumber":10' in repository["LifecyclePolicy"]["LifecyclePolicyText"]
        assert '"type":"expire"' in repository["LifecyclePolicy"]["LifecyclePolicyText"]


def test_stateful_resources_keep_their_logical_ids(storage: Template) -> None:
    """A changed logical id replaces the resource: results and images would be left behind or lost."""
    assert set(storage.resources("AWS::S3::Bucket")) == {"ResultsAccessLogs10A17094", "ResultsBucket46167C27"}
    assert set(storage.resources("AWS::ECR::Repository")) == {
        "ImageBarrierRepository023520FA",
        "ImageDopiRepositoryEC738009",
        "ImageDopisecondRepositoryC0BB7AC2",
        "ImageFieldstatsRepositoryA479F54F",
        "ImageMpiRepository646DAA89",
        "ImageStandinRepositoryCE781445",
    }


def test_no_physical_name_is_set(templates: dict[str, Template]) -> None:
    """A named resource cannot be replaced by CloudFormation, nor live twice in an account and region."""
    named = {
        "AWS::Batch::ComputeEnvironment": "ComputeEnvironmentName",
        "AWS::Batch::JobDefinition": "JobDefinitionName",
        "AWS::Batch::JobQueue": "JobQueueName",
        "AWS::EC2::LaunchTemplate": "LaunchTemplateName",
        "AWS::EC2::SecurityGroup": "GroupName",
        "AWS::ECR::Repository": "RepositoryName",
        "AWS::IAM::InstanceProfile": "InstanceProfileName",
        "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
        "AWS::IAM::Role": "RoleName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::S3::Bucket": "BucketName",
    }
    for kind, name in named.items():
        bodies = [body for stack in STACKS for body in templates[stack].resources(kind).values()]
        assert bodies, f"no {kind} in any stack"
        assert [flat(body) for body in bodies if name in body["Properties"]] == []
