"""Where everything that a person should know is sent: a topic with a mail address."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class AlarmTopic(Construct):
    """An encrypted topic, spoken to over TLS, that AWS's own services alone may publish to."""

    topic: sns.ITopic
    for_rules: sns.ITopic
    """The same to those that publish from rules: CDK's target would let EventBridge use the key, whatever for."""

    def __init__(
        self, scope: Construct, construct_id: str, *, email: str, encryption_key: kms.IKey | None = None
    ) -> None:
        """Declare the topic.

        Args:
            email: is asked to confirm when the stack is deployed, and gets mails once it has.
            encryption_key: whose policy this adds to; left out, a key of the topic's own, since the policy of the key
                that SNS has in every account cannot let the services in.
        """
        super().__init__(scope, construct_id)
        key = encryption_key or kms.Key(
            self,
            "Key",
            description="Messages of the alarm topic",
            enable_key_rotation=True,
            # A message lives seconds: nothing is left that the key would be wanted for.
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),
        )
        self._topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic = self._topic
        self.for_rules = sns.Topic.from_topic_arn(self, "ForRules", self._topic.topic_arn)
        self._let_publish("cloudwatch", key, f"arn:{cdk.Aws.PARTITION}:cloudwatch:*:{cdk.Aws.ACCOUNT_ID}:alarm:*")
        self._let_publish("budgets", key, f"arn:{cdk.Aws.PARTITION}:budgets::{cdk.Aws.ACCOUNT_ID}:*")
        self._let_rules_publish(key)
        self._topic.add_subscription(subscriptions.EmailSubscription(email))

    def _let_publish(self, service: str, key: kms.IKey, source: str) -> None:
        # By hand because grant_publish takes no condition: the services act for other accounts, too.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
        conditions = {
            "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": source},
        }
        self._topic.add_to_resource_policy(self._publishing(service, conditions))
        key.add_to_resource_policy(_use_of_key(service, conditions))

    def _let_rules_publish(self, key: kms.IKey) -> None:
        # Without a condition, because EventBridge brings no context that one could be about; it refuses a topic of
        # another account as the target of a rule.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
        self._topic.add_to_resource_policy(self._publishing("events", None))
        # The key may be that of the data, too, and can be held to messages: SNS tells KMS which topic it encrypts for.
        # Any of this account, since this one is made after the key and its policy.
        topics = cdk.Stack.of(self).format_arn(service="sns", resource="*")
        key.add_to_resource_policy(
            _use_of_key("events", {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topics}})
        )

    def _publishing(self, service: str, conditions: dict[str, dict[str, str]] | None) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=f"{service.capitalize()}OfThisAccount",
            principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[self._topic.topic_arn],
            conditions=conditions,
        )


def _use_of_key(service: str, conditions: dict[str, dict[str, str]]) -> iam.PolicyStatement:
    """What a service needs to publish to an encrypted topic.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
        actions=["kms:Decrypt", "kms:GenerateDataKey*"],
        resources=["*"],  # in a key's policy: this key
        conditions=conditions,
    )
