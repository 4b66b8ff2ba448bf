"""A function that EventBridge Scheduler starts by the clock."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct


def invoke_on_schedule(
    scope: Construct,
    function: lambda_.Function,
    *,
    description: str,
    expression: scheduler.ScheduleExpression,
    retries: int,
    waiting_age_max: cdk.Duration,
) -> None:
    """Start a function at these times (UTC), through a role that may do nothing else.

    A run that cannot start, or fails, is tried again `retries` times, and never begins later than
    `waiting_age_max` after its time: Lambda would keep it for six hours, until they pile up.
    """
    function.configure_async_invoke(retry_attempts=retries, max_event_age=waiting_age_max)

    stack = cdk.Stack.of(scope)
    role = iam.Role(
        scope,
        "ScheduleRole",
        # Only for this account's schedules: the principal alone is the Scheduler of everybody.
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={
                "StringEquals": {
                    "aws:SourceAccount": stack.account,
                    "aws:SourceArn": stack.format_arn(
                        service="scheduler", resource="schedule-group", resource_name="default"
                    ),
                }
            },
        ),
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
    )
    scheduler.Schedule(
        scope,
        "Schedule",
        description=description,
        schedule=expression,
        time_window=scheduler.TimeWindow.off(),
        target=targets.LambdaInvoke(
            function,
            # CDK would add every version and alias of the function to the role.
            role=role.without_policy_updates(),
            retry_attempts=retries,
            max_event_age=waiting_age_max,
        ),
    )
