"""How to ask each service for what CloudFormation has made in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Makes a boto3 client, by the name of its service and perhaps a region.
Client = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Made:
    """One resource of a deployed stack."""

    properties: Mapping[str, Any]
    physical_id: str
    physical_ids: Mapping[str, str]

    def resolve(self, value: Any) -> str:
        """The name in a property: text, the physical id of what it refers to, or both joined."""
        match value:
            case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
                return self.physical_ids[name]
            case {"Fn::Join": [glue, parts]}:
                return str(glue).join(map(self.resolve, parts))
        return str(value)

    def named(self, name: str) -> str:
        """The name in this property."""
        return self.resolve(self.properties[name])


def _api_method(client: Client, made: Made) -> object:
    root = made.properties["ResourceId"]
    api = made.named("RestApiId")
    if isinstance(root, dict) and root.get("Fn::GetAtt", ["", ""])[1] == "RootResourceId":
        resource = client("apigateway").get_rest_api(restApiId=api)["rootResourceId"]
    else:
        resource = made.resolve(root)
    return client("apigateway").get_integration(
        restApiId=api, resourceId=resource, httpMethod=made.properties["HttpMethod"]
    )


def _base_path_mapping(client: Client, made: Made) -> object:
    return client("apigateway").get_base_path_mapping(
        domainName=made.named("DomainName"), basePath=made.properties.get("BasePath", "(none)")
    )


def _queue_policy(client: Client, made: Made) -> bool:
    return all(
        client("sqs")
        .get_queue_attributes(QueueUrl=made.resolve(queue), AttributeNames=["Policy"])
        .get("Attributes")
        for queue in made.properties["Queues"]
    )


def _role_policy(client: Client, made: Made) -> bool:
    return all(
        client("iam").get_role_policy(
            RoleName=made.resolve(role), PolicyName=made.properties["PolicyName"]
        )
        for role in made.properties["Roles"]
    )


def _rule(client: Client, made: Made) -> bool:
    bus = made.resolve(made.properties.get("EventBusName", "default"))
    events = client("events")
    targets = events.list_targets_by_rule(Rule=made.physical_id, EventBusName=bus)["Targets"]
    return len(targets) == len(made.properties.get("Targets", []))


def _subscription(client: Client, made: Made) -> object:
    # A subscription is where its topic is.
    region = made.physical_id.split(":")[3]
    return client("sns", region).get_subscription_attributes(SubscriptionArn=made.physical_id)


def _topic_policy(client: Client, made: Made) -> bool:
    return all(
        client("sns").get_topic_attributes(TopicArn=made.resolve(topic))["Attributes"]["Policy"]
        for topic in made.properties["Topics"]
    )


def _web_acl(client: Client, made: Made) -> object:
    name, acl_id, scope = made.physical_id.split("|")
    return client("wafv2").get_web_acl(Name=name, Id=acl_id, Scope=scope)


def _web_acl_association(client: Client, made: Made) -> object:
    stage = made.named("ResourceArn")
    return client("wafv2").get_web_acl_for_resource(ResourceArn=stage).get("WebACL")


# moto's Lambda permissions have no physical id.
WITHOUT_ID = frozenset({"AWS::Lambda::Permission"})

# A ClientError or nothing means that it is not there.
EXISTS: dict[str, Callable[[Client, Made], object]] = {
    "AWS::ApiGateway::Account": lambda client, _made: (
        client("apigateway").get_account().get("cloudwatchRoleArn")
    ),
    "AWS::ApiGateway::BasePathMapping": _base_path_mapping,
    "AWS::ApiGateway::Deployment": lambda client, made: client("apigateway").get_deployment(
        restApiId=made.named("RestApiId"), deploymentId=made.physical_id
    ),
    "AWS::ApiGateway::DomainName": lambda client, made: client("apigateway").get_domain_name(
        domainName=made.physical_id
    ),
    "AWS::ApiGateway::GatewayResponse": lambda client, made: client(
        "apigateway"
    ).get_gateway_response(
        restApiId=made.named("RestApiId"), responseType=made.properties["ResponseType"]
    ),
    "AWS::ApiGateway::Method": _api_method,
    "AWS::ApiGateway::Resource": lambda client, made: client("apigateway").get_resource(
        restApiId=made.named("RestApiId"), resourceId=made.physical_id
    ),
    "AWS::ApiGateway::RestApi": lambda client, made: client("apigateway").get_rest_api(
        restApiId=made.physical_id
    ),
    "AWS::ApiGateway::Stage": lambda client, made: client("apigateway").get_stage(
        restApiId=made.named("RestApiId"), stageName=made.physical_id
    ),
    "AWS::CloudWatch::Alarm": lambda client, made: client("cloudwatch").describe_alarms(
        AlarmNames=[made.physical_id]
    )["MetricAlarms"],
    "AWS::CloudWatch::CompositeAlarm": lambda client, made: client("cloudwatch").describe_alarms(
        AlarmNames=[made.physical_id], AlarmTypes=["CompositeAlarm"]
    )["CompositeAlarms"],
    "AWS::CloudWatch::Dashboard": lambda client, made: client("cloudwatch").get_dashboard(
        DashboardName=made.physical_id
    ),
    "AWS::DynamoDB::Table": lambda client, made: client("dynamodb").describe_table(
        TableName=made.physical_id
    ),
    "AWS::Events::Rule": _rule,
    "AWS::IAM::Policy": _role_policy,
    "AWS::IAM::Role": lambda client, made: client("iam").get_role(RoleName=made.physical_id),
    "AWS::KMS::Key": lambda client, made: client("kms").describe_key(KeyId=made.physical_id),
    "AWS::Lambda::EventInvokeConfig": lambda client, made: client(
        "lambda"
    ).get_function_event_invoke_config(FunctionName=made.named("FunctionName")),
    "AWS::Lambda::EventSourceMapping": lambda client, made: client(
        "lambda"
    ).get_event_source_mapping(UUID=made.physical_id),
    "AWS::Lambda::Function": lambda client, made: client("lambda").get_function(
        FunctionName=made.physical_id
    ),
    "AWS::Lambda::Permission": lambda client, made: client("lambda").get_policy(
        FunctionName=made.named("FunctionName")
    ),
    "AWS::Logs::LogGroup": lambda client, made: client("logs").describe_log_groups(
        logGroupNamePrefix=made.physical_id
    )["logGroups"],
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": lambda client, made: client("sns").get_topic_attributes(
        TopicArn=made.physical_id
    ),
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::Queue": lambda client, made: client("sqs").get_queue_attributes(
        QueueUrl=made.physical_id
    ),
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Scheduler::Schedule": lambda client, made: client("scheduler").get_schedule(
        Name=made.physical_id, GroupName=made.properties.get("GroupName", "default")
    ),
    "AWS::WAFv2::WebACL": _web_acl,
    "AWS::WAFv2::WebACLAssociation": _web_acl_association,
}
