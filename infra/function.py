"""The Lambda function as this project makes it: the defaults, said once."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import metrics, package
from infra.settings import Settings


class ServiceFunction(Construct):
    """A function with a log group and a role of its own; the role may write that log, no more.

    What else a function may do is granted to `role` by the construct that owns the resource.
    `capability` is how its logs and metrics are told from those of the others.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capability: str,
        handler: str,
        description: str,
        environment: Mapping[str, str],
        timeout: cdk.Duration,
        memory_mb: int,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        platform = package.platform_named(settings.function_platform)

        log = logs.LogGroup(self, "Log", removal_policy=cdk.RemovalPolicy.RETAIN)
        # The L2 property takes an enumeration that hides the number of days.
        cfn_log = cast("logs.CfnLogGroup", log.node.default_child)
        cfn_log.retention_in_days = settings.log_retention_days

        # The managed policy of a role CDK would make may write every log of the account.
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(self.role)

        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            handler=handler,
            code=_code(self, platform),
            runtime=lambda_.Runtime(platform.runtime, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.custom(platform.architecture),
            timeout=timeout,
            memory_size=memory_mb,
            role=self.role,
            log_group=log,
            logging_format=lambda_.LoggingFormat.JSON,
            # Lambda's own filter and the logger's must agree, or Powertools warns at every start.
            application_log_level_v2=lambda_.ApplicationLogLevel[settings.log_level],
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": capability,
                "POWERTOOLS_METRICS_NAMESPACE": metrics.namespace(self),
                "POWERTOOLS_LOG_LEVEL": settings.log_level,
            },
        )
        cdk.Validations.of(self.function).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions::AwsSolutions-L1",
                reason="python3.13 is supported by Lambda until 30 June 2029. A newer runtime "
                "comes with newer binaries in the zip, so it is one tested change of the "
                "platform in infra/package.py, not whatever CDK calls the latest.",
            )
        )


@jsii.implements(cdk.ILocalBundling)
class _Bundling:
    """Fills the asset's folder on this machine; CDK would otherwise ask Docker."""

    def __init__(self, platform: package.Platform) -> None:
        self._platform = platform

    def try_bundle(self, output_dir: str, *_options: object, **_more: object) -> bool:
        package.build(self._platform, Path(output_dir))
        return True


def _code(scope: Construct, platform: package.Platform) -> lambda_.Code:
    if cdk.Stack.of(scope).bundling_required:
        # Here a failure is a Python exception; raised by the bundling it would come out of jsii.
        package.dependencies(platform)
    return lambda_.Code.from_asset(
        str(package.SOURCES),
        exclude=list(package.NOT_SOURCE),
        asset_hash_type=cdk.AssetHashType.SOURCE,
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("none"),
            local=cast("cdk.ILocalBundling", _Bundling(platform)),
            # Never run, only hashed: the asset is known by its sources and by this.
            command=package.recipe(platform),
        ),
    )
