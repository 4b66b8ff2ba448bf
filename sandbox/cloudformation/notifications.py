"""Queues and topics: who may use them, and who listens to them."""

import json
from contextlib import suppress

from moto.core.common_models import CloudFormationModel
from moto.sns.exceptions import TopicNotFound
from moto.sns.models import SNSBackend, sns_backends
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from sandbox.cloudformation.resource import Resource

# Of products listed before June 2026: aws-mp-subscription-notification-PRODUCT and
# aws-mp-entitlement-notification-PRODUCT.
MARKETPLACE_TOPICS = "aws-mp-"


class QueuePolicy(Resource, CloudFormationModel):
    """Who may use some queues."""

    type_name = "AWS::SQS::QueuePolicy"

    def _place(self) -> object:
        return self.properties["Queues"]

    def _put(self) -> None:
        self._set(json.dumps(self.properties["PolicyDocument"]))

    def _remove(self) -> None:
        with suppress(QueueDoesNotExist):
            self._set(None)

    def _set(self, policy: str | None) -> None:
        backend = sqs_backends[self.account][self.region]
        for url in self.properties["Queues"]:
            backend.set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": policy})


class Topic(Resource, CloudFormationModel):
    """A topic. moto's own type makes another one with every update, without subscriptions."""

    type_name = "AWS::SNS::Topic"
    name_property = "TopicName"
    attributes = ("TopicArn", "TopicName")

    def _place(self) -> object:
        return self._name

    def _put(self) -> None:
        topic = sns_backends[self.account][self.region].create_topic(self._name)
        topic.display_name = self.properties.get("DisplayName", "")
        topic.kms_master_key_id = self.properties.get("KmsMasterKeyId", "")
        self.physical_resource_id = topic.arn

    def _remove(self) -> None:
        sns_backends[self.account][self.region].delete_topic(self.physical_resource_id)

    def _attribute(self, name: str) -> str:
        return self.physical_resource_id if name == "TopicArn" else self._name

    @property
    def _name(self) -> str:
        return self.physical_resource_id.rsplit(":", 1)[-1]


class TopicPolicy(Resource, CloudFormationModel):
    """Who may use some topics."""

    type_name = "AWS::SNS::TopicPolicy"

    def _place(self) -> object:
        return self.properties["Topics"]

    def _put(self) -> None:
        for arn in self.properties["Topics"]:
            topic = sns_backends[self.account][self.region].get_topic(arn)
            topic.policy = json.dumps(self.properties["PolicyDocument"])

    def _remove(self) -> None:
        for arn in self.properties["Topics"]:
            with suppress(TopicNotFound):
                topic = sns_backends[self.account][self.region].get_topic(arn)
                topic.policy = "{}"  # nobody but the owner


class Subscription(Resource, CloudFormationModel):
    """Who listens to a topic, which may be another account's and of another region.

    A topic of AWS Marketplace, which in AWS is there before its product is listed, is made when it
    is first subscribed to. The subscription is kept with the topic, which sends to it, and with its
    owner, who can list it.
    """

    type_name = "AWS::SNS::Subscription"

    def _place(self) -> object:
        return [self.properties[key] for key in ("TopicArn", "Protocol", "Endpoint")]

    def _put(self) -> None:
        given = self.properties
        arn = given["TopicArn"]
        topics, name = self._topics(), arn.rsplit(":", 1)[-1]
        if name.startswith(MARKETPLACE_TOPICS):
            topics.create_topic(name)
        subscription = topics.subscribe(arn, given["Endpoint"], given["Protocol"])
        # Whose queue or function the endpoint is.
        subscription.account_id = subscription.owner = self.account
        subscription.attributes["Owner"] = self.account
        self._owned().subscriptions[subscription.arn] = subscription
        if str(given.get("RawMessageDelivery", False)).lower() == "true":
            topics.set_subscription_attributes(subscription.arn, "RawMessageDelivery", "true")
        if "FilterPolicy" in given:
            scope = given.get("FilterPolicyScope", "MessageAttributes")
            topics.set_subscription_attributes(subscription.arn, "FilterPolicyScope", scope)
            policy = json.dumps(given["FilterPolicy"])
            topics.set_subscription_attributes(subscription.arn, "FilterPolicy", policy)
        self.physical_resource_id = subscription.arn

    def _remove(self) -> None:
        for backend in (self._topics(), self._owned()):
            backend.unsubscribe(self.physical_resource_id)

    def _topics(self) -> SNSBackend:
        _, _, _, region, account, _ = self.properties["TopicArn"].split(":")
        return sns_backends[account][region]

    def _owned(self) -> SNSBackend:
        return sns_backends[self.account][self.properties["TopicArn"].split(":")[3]]
