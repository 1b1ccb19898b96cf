"""What each resource is there for: a phrase for a type, or for those of a type whose construct path says which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from runner.assembly.cloud_assembly import Resource
from runner.errors import InputError

_ANYWHERE: Final = ".*"

_PURPOSES: Final[tuple[tuple[str, str, str], ...]] = (
    ("Batch::ComputeEnvironment", ".*Spot/.*", "runs jobs on spare capacity, which AWS may take back"),
    ("Batch::ComputeEnvironment", "(.*/)?Fargate/.*", "runs jobs of one container without instances"),
    ("Batch::ComputeEnvironment", "(.*/)?Ec2/.*", "starts instances for jobs that need more than Fargate has"),
    ("Batch::ComputeEnvironment", "(.*/)?Gpu/.*", "starts instances with GPUs"),
    ("Batch::ComputeEnvironment", "Mpi/.*", "starts instances for the nodes of MPI jobs"),
    ("Batch::ConsumableResource", _ANYWHERE, "counts what jobs share, such as licences"),
    ("Batch::JobDefinition", ".*Barrier.*", "a job that only joins others, too many for one dependency list"),
    ("Batch::JobDefinition", "Mpi.*", "how an MPI program runs on several nodes"),
    ("Batch::JobDefinition", "Job.*OnEc2/.*", "how a program of the image of that name runs on instances"),
    ("Batch::JobDefinition", _ANYWHERE, "how a program of the image of that name runs"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueHigh/.*", "where jobs wait that go before others"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueNormal/.*", "where jobs wait that are neither urgent nor can wait"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueLow/.*", "where jobs wait that let others go first"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueEc2/.*", "where jobs wait for instances"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueSpot/.*", "where jobs wait that may be interrupted"),
    ("Batch::JobQueue", "(.*/)?(Fair)?QueueGpu/.*", "where jobs wait for GPUs"),
    ("Batch::JobQueue", "Mpi/.*", "where MPI jobs wait"),
    ("Batch::SchedulingPolicy", _ANYWHERE, "divides a queue between its users"),
    ("Budgets::Budget", _ANYWHERE, "tells when the month's bill grows past its limit"),
    ("CDK::Metadata", _ANYWHERE, "tells AWS which constructs are in use"),
    ("CloudWatch::Alarm", ".*StuckJobs/Metrics", "tells when nobody measures the queues any more"),
    ("CloudWatch::Alarm", ".*StuckJobs/.*", "tells when the first job of its queue does not start"),
    ("CloudWatch::Alarm", ".*FailureRate/.*", "tells when too large a share of jobs fails"),
    ("CloudWatch::Alarm", _ANYWHERE, "tells when a measure leaves its range"),
    ("CloudWatch::CompositeAlarm", _ANYWHERE, "tells when several alarms say the same"),
    ("CloudWatch::Dashboard", _ANYWHERE, "shows the deployment's measures on one page"),
    ("CodeBuild::Project", _ANYWHERE, "builds images in the cloud, for who has no container engine"),
    ("EC2::EIP", ".*Head.*", "the head node's address, the same after every stop"),
    ("EC2::EIP", _ANYWHERE, "the address by which a NAT gateway is seen outside"),
    ("EC2::FlowLog", _ANYWHERE, "records who talked to whom in the VPC"),
    ("EC2::Instance", ".*Head.*", "where people log in and send work from"),
    ("EC2::InternetGateway", _ANYWHERE, "the way of public subnets to the internet"),
    ("EC2::LaunchTemplate", "HeadNode/.*", "names the head node's image"),
    ("EC2::LaunchTemplate", _ANYWHERE, "disk and metadata settings of instances"),
    ("EC2::NatGateway", _ANYWHERE, "the way of private subnets to the internet"),
    ("EC2::PlacementGroup", _ANYWHERE, "keeps MPI nodes close to each other"),
    ("EC2::Route", _ANYWHERE, "sends traffic for outside to the subnet's gateway"),
    ("EC2::RouteTable", _ANYWHERE, "the routes of one subnet"),
    ("EC2::SecurityGroup", ".*JobSecurityGroup", "what jobs may reach, and that nobody reaches them"),
    ("EC2::SecurityGroup", "Mpi.*", "lets MPI nodes talk to each other"),
    ("EC2::SecurityGroup", ".*(FileSystem|Efs|FSx|Lustre|Shared).*", "lets jobs reach the file system"),
    ("EC2::SecurityGroup", ".*Head.*", "what may reach the head node"),
    ("EC2::SecurityGroup", ".*Endpoint.*", "lets the VPC reach the endpoints"),
    ("EC2::SecurityGroupEgress", _ANYWHERE, "a way out of a security group"),
    ("EC2::SecurityGroupIngress", _ANYWHERE, "a way into a security group"),
    ("EC2::Subnet", ".*(Public|Gateways)Subnet.*", "addresses in one zone with a way to the internet"),
    ("EC2::Subnet", _ANYWHERE, "addresses in one zone that nobody outside can reach"),
    ("EC2::SubnetRouteTableAssociation", _ANYWHERE, "gives a subnet its routes"),
    ("EC2::VPC", _ANYWHERE, "the network that jobs run in"),
    ("EC2::VPCEndpoint", ".*S3.*", "the way to S3 that costs nothing and leaves the internet out"),
    ("EC2::VPCEndpoint", _ANYWHERE, "the way to a service of AWS without the internet"),
    ("EC2::VPCGatewayAttachment", _ANYWHERE, "joins internet gateway and VPC"),
    ("EC2::Volume", _ANYWHERE, "a disk that outlives its instance"),
    ("EC2::VolumeAttachment", _ANYWHERE, "gives an instance its disk"),
    ("ECR::PullThroughCacheRule", _ANYWHERE, "fetches images from elsewhere when they are first pulled"),
    ("ECR::Repository", _ANYWHERE, "holds the images of that name, by content tag"),
    ("EFS::AccessPoint", _ANYWHERE, "the way into the shared file system, under one user"),
    ("EFS::FileSystem", _ANYWHERE, "a file system that all nodes of a job see"),
    ("EFS::MountTarget", _ANYWHERE, "the shared file system's address in one zone"),
    ("Events::Rule", ".*JobEvents/.*", "puts changes of jobs' states into their queue"),
    ("Events::Rule", ".*EndedJobs/.*", "writes jobs that ended into a log, to be counted"),
    ("Events::Rule", ".*Notices/FailedJobs", "tells people of jobs that failed"),
    ("Events::Rule", ".*Notices/BlockedQueues", "tells people of queues whose first job cannot start"),
    ("Events::Rule", ".*Notices/ImageFindings", "tells people of images with vulnerabilities"),
    ("Events::Rule", _ANYWHERE, "picks events and sends them on"),
    ("FSx::DataRepositoryAssociation", _ANYWHERE, "links a folder of Lustre to a prefix of the bucket"),
    ("FSx::FileSystem", _ANYWHERE, "a parallel file system for work that outgrows others"),
    ("IAM::InstanceProfile", _ANYWHERE, "hands an instance its role"),
    ("IAM::ManagedPolicy", "Results/Policy", "read, write and list the results"),
    ("IAM::ManagedPolicy", "Results/ProgramsPolicy", "read the programs that are sent to jobs"),
    ("IAM::ManagedPolicy", "Results/SubmitterPolicy", "what a submitter may do with the bucket"),
    ("IAM::ManagedPolicy", "Results/BuildsPolicy", "read what was sent to be built"),
    ("IAM::ManagedPolicy", "Results/[A-Z][A-Za-z]*Policy", "read and write the prefixes of the job of that name"),
    ("IAM::ManagedPolicy", ".*Submitter/.*", "what people need to submit and follow jobs; attached to nobody here"),
    ("IAM::ManagedPolicy", ".*Builder/.*", "what a build of images may do"),
    ("IAM::ManagedPolicy", "HeadNode/.*", "what the head node may do"),
    ("IAM::ManagedPolicy", ".*Queues/.*", "what the function that measures queues, and its schedule, may do"),
    ("IAM::ManagedPolicy", _ANYWHERE, "rights under a name, for roles and people to be given"),
    ("IAM::Policy", _ANYWHERE, "what its role may do"),
    ("IAM::Role", ".*JobRole", "what the program of a job may do"),
    ("IAM::Role", ".*ExecutionRole", "what ECS needs to start a job: image, log, secret"),
    ("IAM::Role", ".*InstanceRole", "what the agent on an instance may do"),
    ("IAM::Role", ".*FlowLog.*", "lets the VPC write its flow log"),
    ("IAM::Role", ".*Queues/Role", "what the function that measures queues may do"),
    ("IAM::Role", ".*ScheduleRole", "lets a schedule call its function"),
    ("IAM::Role", ".*ServiceRole", "what a function may do"),
    ("IAM::Role", ".*(EventsRole|SchedulerRole.*|Events|Rule.*)", "lets an event call what it is sent to"),
    ("IAM::Role", ".*(Build|Project|CodeBuild).*", "what a build of images may do"),
    ("IAM::Role", ".*Head.*", "what the head node may do"),
    ("IAM::ServiceLinkedRole", _ANYWHERE, "what a service of AWS may do in the account"),
    ("KMS::Alias", _ANYWHERE, "a name for the key"),
    ("KMS::Key", ".*Alarms/.*", "encrypts what the topic holds"),
    ("KMS::Key", _ANYWHERE, "encrypts what is stored"),
    ("Lambda::EventInvokeConfig", _ANYWHERE, "what becomes of a call that fails"),
    ("Lambda::EventSourceMapping", _ANYWHERE, "feeds a function from a queue"),
    ("Lambda::Function", ".*Queues/.*", "measures how long job queues are and how long their first jobs wait"),
    ("Lambda::Function", _ANYWHERE, "acts on an event or a schedule"),
    ("Lambda::Permission", _ANYWHERE, "who may call a function"),
    ("Logs::LogGroup", ".*FlowLog.*", "keeps the flow log for its days"),
    ("Logs::LogGroup", ".*JobLog.*", "keeps what jobs print for its days"),
    ("Logs::LogGroup", ".*EndedJobs/.*", "keeps the jobs that ended, to be counted"),
    ("Logs::LogGroup", ".*Builder/.*", "keeps what builds of images print"),
    ("Logs::LogGroup", ".*Queues/.*", "keeps what the function that measures queues prints"),
    ("Logs::LogGroup", _ANYWHERE, "keeps what the construct of that name logs"),
    ("Logs::MetricFilter", _ANYWHERE, "makes a measure of lines in a log"),
    ("Logs::QueryDefinition", _ANYWHERE, "a question to the logs, kept under a name"),
    ("Logs::ResourcePolicy", _ANYWHERE, "lets a service of AWS write into a log group"),
    ("S3::Bucket", "Results/AccessLogs", "records who asked the bucket of results for what"),
    ("S3::Bucket", "Results/Bucket", "holds results, programs and ledgers of runs"),
    ("S3::BucketPolicy", "Results/AccessLogs/Policy", "lets S3 write its log, and refuses requests without TLS"),
    ("S3::BucketPolicy", _ANYWHERE, "refuses requests without TLS"),
    ("SNS::Subscription", _ANYWHERE, "who hears of a topic"),
    ("SNS::Topic", _ANYWHERE, "tells people what happened"),
    ("SNS::TopicPolicy", _ANYWHERE, "who may write to a topic"),
    ("SQS::Queue", ".*JobEvents/.*", "holds changes of jobs' states until a runner takes them"),
    ("SQS::Queue", _ANYWHERE, "holds messages until somebody takes them"),
    ("SQS::QueuePolicy", _ANYWHERE, "who may write to a queue"),
    ("SSM::Association", _ANYWHERE, "runs a document on instances"),
    ("SSM::Document", _ANYWHERE, "what Systems Manager does on an instance, or how it opens a shell there"),
    ("SSM::Parameter", _ANYWHERE, "a value that others look up"),
    ("Scheduler::Schedule", ".*Queues/.*", "has the queues measured every few minutes"),
    ("Scheduler::Schedule", _ANYWHERE, "calls at set times"),
    ("Scheduler::ScheduleGroup", _ANYWHERE, "holds schedules together"),
    ("SecretsManager::Secret", "Mpi.*", "what nodes of MPI jobs derive their keys from"),
)
"""Type without `AWS::`, a regular expression for the whole construct path, the purpose. The first that fits holds."""

TYPES: Final = frozenset(kind for kind, _, _ in _PURPOSES)
"""Types without `AWS::` of which some resources have a purpose."""


def purposes(resources: Iterable[Resource]) -> dict[Resource, str]:
    """Each resource -> its purpose; InputError that names every resource which has none."""
    found = {resource: purpose_of(resource) for resource in resources}
    missing = [resource for resource, purpose in found.items() if purpose is None]
    if missing:
        raise InputError(
            *(
                f"{resource.stack}/{resource.path}: every resource has a purpose, got none for {resource.type} at "
                f"{resource.path!r}; say in runner/assembly/purposes.py what it is for"
                for resource in missing
            )
        )
    return {resource: purpose for resource, purpose in found.items() if purpose is not None}


def purpose_of(resource: Resource) -> str | None:
    """The purpose of one; None where the table has none."""
    kind = resource.type.removeprefix("AWS::")
    for known, pattern, purpose in _PURPOSES:
        if known == kind and re.fullmatch(pattern, resource.path):
            return purpose
    return None
