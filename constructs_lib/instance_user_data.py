"""What an instance that runs jobs is told when it starts."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_ec2 as ec2

AGENT_CONFIG: Final = "/etc/ecs/ecs.config"

STAY_OUT: Final = "trap 'systemctl mask --now ecs' ERR"
"""For bash, before `set -eE`: an instance on which a command fails does not join, rather than join without it."""

_METADATA_ADDRESS: Final = "169.254.169.254"
_OTHERS_THAN_ROOT: Final = f"OUTPUT --destination {_METADATA_ADDRESS} --match owner ! --uid-owner root --jump REJECT"


def instance_user_data(commands: ec2.UserData | None = None) -> ec2.MultipartUserData:
    """Keep jobs off the credentials of the instance, then do `commands`, and only then let the ECS agent join.

    The instance role is for the agent; whoever reaches the metadata service of EC2 has it. How containers could:

    - A job of one container has the network of its instance. There, a rule of the firewall refuses all users but root.
      The agent runs as root, the images here do not; a program of another image that runs as root passes.
    - A node of a multi-node job has a network interface of its own, which the agent itself keeps from that address when
      it is told to.
    - Behind a bridge of Docker, where Batch puts nobody, the hop limit of the launch template would do.

    Credentials of job roles come from another address, 169.254.170.2. Both as a boothook, which runs at every boot and
    before Docker and the agent do: the firewall forgets. Written after the guides, not seen on an account of AWS.

    Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html,
    https://repost.aws/knowledge-center/ecs-container-ec2-metadata,
    https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html (multipart, which Batch adds its own to)
    """
    closing = ec2.UserData.for_linux()
    closing.add_commands(
        STAY_OUT,
        "set -eE",
        f"grep -qs ^ECS_AWSVPC_BLOCK_IMDS= {AGENT_CONFIG} || echo ECS_AWSVPC_BLOCK_IMDS=true >> {AGENT_CONFIG}",
        f"iptables --wait --check {_OTHERS_THAN_ROOT} || iptables --wait --insert {_OTHERS_THAN_ROOT}",
    )
    multipart = ec2.MultipartUserData()
    multipart.add_part(ec2.MultipartBody.from_user_data(closing, ec2.MultipartBody.CLOUD_BOOTHOOK))
    if commands is not None:
        multipart.add_part(ec2.MultipartBody.from_user_data(commands))
    return multipart
