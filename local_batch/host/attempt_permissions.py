"""What ECS does for an attempt as its execution role, and whether that role may: log streams and secrets.

Where nobody is to be asked, the executor has none of these. The texts are those that ECS gives for the same refusals.
Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
"""

from __future__ import annotations

from typing import Final

from local_batch.api.ecs_names import task_arn
from local_batch.engine.jobs import Job
from local_batch.engine.resources import Platform
from local_batch.executors.work import AttemptWork
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.container_endpoints import JobSource
from local_batch.host.role_permissions import RolePermissions
from local_batch.host.secret_values import MayRead

_LOG_ACTIONS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
_NOT_ASSUMED: Final = (
    "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being "
    "passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
)
_NO_LOGS: Final = {
    Platform.FARGATE: "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
    "times: failed to create Cloudwatch log stream: AccessDeniedException: {refusal} : exit status 1",
    Platform.EC2: "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed "
    "to create Cloudwatch log stream: AccessDeniedException: {refusal}",
}


class AttemptPermissions:
    """Asked on the loop, before an attempt starts."""

    def __init__(self, jobs: JobSource, roles: RolePermissions) -> None:
        self._jobs = jobs
        self._roles = roles

    def refusal(self, work: AttemptWork) -> str | None:
        """Why the attempt cannot start, in ECS's words; None where it can.

        An EC2 job without an execution role writes its logs as its instance, which is not asked.
        """
        with self._jobs.lock:
            job = self._jobs.engine.find(work.job_id)
        if job is None:
            return None
        detail = job.container.detail
        task = task_arn(job.attempt.compute_environment_arn, job.task_id(job.attempt))
        execution_role = detail.get("executionRoleArn")
        for role in (detail.get("jobRoleArn"), execution_role):
            if role and not self._roles.trusts_tasks(role, task):
                return _NOT_ASSUMED.format(role=role)
        if not execution_role:
            return None
        stream = f"log-group:{job.container.log_group}:log-stream:{job.log_stream(job.attempt)}"
        for action in _LOG_ACTIONS:
            denied = self._ask(job, action, f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:{stream}")
            if denied:
                return _NO_LOGS[job.profile.platform].format(refusal=denied)
        return None

    def may_read(self, work: AttemptWork) -> MayRead:
        """What the attempt's execution role may read."""
        with self._jobs.lock:
            job = self._jobs.engine.find(work.job_id)
        return lambda action, resource: None if job is None else self._ask(job, action, resource)

    def _ask(self, job: Job, action: str, resource: str) -> str | None:
        role: str = job.container.detail["executionRoleArn"]
        return self._roles.refusal(role, job.task_id(job.attempt), action, resource)
