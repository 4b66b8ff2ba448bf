"""The environment variables through which programs reach a sandbox instead of AWS."""

import json
import os
import shlex
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

import boto3
import botocore.session

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"  # of the main stack, unless its settings say another one
# Opens URLs of this machine; a proxy that the shell uses has no way to them.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Both parts of the credentials. Only the API checks them, where a method is IAM-authorised.
KEY = "sandbox"

# What a shell may have set for the real AWS, and what would win over, or disturb, ours.
DISTURBING = (
    "AWS_CA_BUNDLE",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)

# Stack outputs that the commands of the README use, by the variable that holds them.
OUTPUTS = {
    "USAGE_QUEUE_URL": "UsageQueueUrl",
    "LEDGER_TABLE": "LedgerTableName",
    "CUSTOMERS_TABLE": "CustomersTableName",
    "METERING_FUNCTION": "MeteringFunctionName",
}
# Outputs that are URLs of the API, by the variable that holds where the sandbox answers them.
URLS = {
    "REGISTRATION_URL": "RegistrationUrl",
    "CLAIM_URL": "ClaimUrl",
    "USAGE_URL": "UsageUrl",
}


# Version 1 of the AWS CLI sends SQS commands to AWS itself, whatever AWS_ENDPOINT_URL says, unless
# the endpoint is an argument (its customization "overridesslcommonname"). Version 2 does not mind.
AWS_FOR_SQS = """\
aws() {
  case " $* " in
    *" sqs "*) command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@" ;;
    *) command aws "$@" ;;
  esac
}
"""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a sandbox listen, as URLs."""

    aws: str
    marketplace: str
    functions: str
    api: str

    def of(self, service: str) -> str:
        """The endpoint of a service, by its boto3 name."""
        if service == "lambda":
            return self.functions
        if service in {"meteringmarketplace", "marketplace-entitlement", "marketplace-agreement"}:
            return self.marketplace
        return self.aws

    def url(self, real: str) -> str:
        """Where the sandbox answers what has this URL at API Gateway (see `sandbox.gateway`).

        >>> Endpoints("", "", "", "http://localhost:4572").url("https://example.com/register")
        'http://localhost:4572/example.com/register'
        """
        return f"{self.api}/{real.removeprefix('https://')}"

    def variables(self, region: str) -> dict[str, str]:
        """What sends an AWS SDK, the AWS CLI and a function here.

        A variable of one service wins over AWS_ENDPOINT_URL (botocore's rule).
        """
        return {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ENDPOINT_URL_LAMBDA": self.functions,
            "AWS_ENDPOINT_URL_MARKETPLACE_METERING": self.marketplace,
            "AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE": self.marketplace,
            "AWS_ENDPOINT_URL_MARKETPLACE_AGREEMENT": self.marketplace,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            # Nobody here is an EC2 instance; asking costs seconds.
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


# A profile in the files of whoever uses the sandbox must not steer it.
NO_PROFILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def for_children(**added: str) -> dict[str, str]:
    """This process's environment, with nothing of its own about AWS."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**own, **NO_PROFILES, **added}


def for_functions(endpoints: Endpoints) -> dict[str, str]:
    """What every function gets beside its own variables and Lambda's, such as its region."""
    return {
        **{key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ},
        **NO_PROFILES,
        **endpoints.variables(REGION),
        # The tracer of Powertools would look for the daemon of X-Ray.
        "POWERTOOLS_TRACE_DISABLED": "1",
    }


def for_shells(endpoints: Endpoints, region: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """What the README's commands use."""
    found = {name: outputs[output] for name, output in OUTPUTS.items() if output in outputs}
    urls = {
        name: endpoints.url(outputs[output]) for name, output in URLS.items() if output in outputs
    }
    marketplace = {"MARKETPLACE_URL": endpoints.marketplace}
    return {**endpoints.variables(region), **found, **urls, **marketplace}


def ask(url: str, body: Mapping[str, object] | None = None) -> Any:
    """Ask a server of this machine (GET), or tell it something (POST), and return its answer."""
    try:
        with DIRECT.open(url, None if body is None else json.dumps(body).encode()) as answer:
            return json.load(answer)
    except HTTPError as error:
        error.add_note(error.read().decode(errors="replace"))
        raise


def own_session() -> boto3.session.Session:
    """A boto3 session with the sandbox's credentials, whatever the shell and its files say."""
    nothing = (None, None, None, None)
    none_of_theirs: dict[str, Any] = {
        "profile": nothing,
        "ca_bundle": nothing,
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    core = botocore.session.Session(none_of_theirs)
    return boto3.session.Session(KEY, KEY, region_name=REGION, botocore_session=core)


def as_shell(variables: Mapping[str, str]) -> str:
    """Write variables as a script to be sourced; what would disturb them is unset.

    >>> as_shell({"QUEUE": "two words"}).splitlines()[1]
    "export QUEUE='two words'"
    """
    lines = [f"unset {' '.join(DISTURBING)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join(lines) + "\n" + AWS_FOR_SQS
