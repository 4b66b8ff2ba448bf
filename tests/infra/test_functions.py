"""What holds for every function, and the contract between the stack and the handlers."""

import importlib
from typing import Any

import pytest

from infra.package import platform_named
from infra.parsers import (
    EMAIL_CHARACTERS_MAX,
    LIST_BYTES_MAX,
    NEXT_STEPS_BYTES_MAX,
    SELLER_NAME_BYTES_MAX,
    URL_CHARACTERS_MAX,
)
from lambdas.metering import environment as metering
from lambdas.registration import environment as registration
from lambdas.subscription import environment as subscription
from tests.infra.template import (
    APPLY,
    ENDPOINT,
    FUNCTION,
    FUNCTIONS,
    INVOCATION,
    LOG,
    POLICY,
    RECONCILE,
    ROLE,
    SCHEDULE,
    SWEEP,
    TICK,
    Resources,
    allow,
)

POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
READ = {
    TICK: metering.NAMES,
    ENDPOINT: registration.NAMES,
    APPLY: subscription.NAMES["subscription"],
    SWEEP: subscription.NAMES["sweep"],
    RECONCILE: subscription.NAMES["reconciliation"],
}

of_each_function = pytest.mark.parametrize("words", FUNCTIONS)
of_each_scheduled = pytest.mark.parametrize(
    ("words", "schedule"),
    [(TICK, "MeteringSchedule"), *((each, f"{each}Schedule") for each in (SWEEP, RECONCILE))],
)


@of_each_function
def test_a_function_is_told_all_that_its_handler_reads_and_no_more(
    resources: Resources, words: str
) -> None:
    assert set(resources.variables(words)) == {*READ[words], *POWERTOOLS}


@of_each_function
def test_a_functions_handler_exists(resources: Resources, words: str) -> None:
    module, _, name = resources.properties(FUNCTION, words)["Handler"].rpartition(".")

    assert callable(getattr(importlib.import_module(module), name))


@of_each_function
def test_a_function_runs_on_python_3_13_and_arm64(resources: Resources, words: str) -> None:
    function = resources.properties(FUNCTION, words)

    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]


@of_each_function
def test_a_function_logs_json_into_a_group_of_its_own_for_400_days(
    resources: Resources, words: str
) -> None:
    assert resources.properties(FUNCTION, words)["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "LogGroup": resources.ref(LOG, words),
    }
    assert resources.properties(LOG, words) == {"RetentionInDays": 400}


@of_each_function
def test_a_function_writes_the_log_of_no_other(resources: Resources, words: str) -> None:
    logging = [each for each in resources.allowed(words) if "logs:" in str(each["Action"])]

    assert logging == [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], resources.arn(LOG, words))
    ]


@of_each_function
def test_a_function_deploys_into_an_account_with_ten_concurrent_executions(
    resources: Resources, words: str
) -> None:
    assert "ReservedConcurrentExecutions" not in resources.properties(FUNCTION, words)


def test_all_functions_are_one_zip(resources: Resources) -> None:
    codes = [resources.properties(FUNCTION, words)["Code"] for words in FUNCTIONS]

    assert all(code == codes[0] for code in codes)


def test_there_are_no_other_functions(resources: Resources) -> None:
    assert len(resources.every(FUNCTION)) == len(FUNCTIONS)


def test_nobody_has_a_managed_policy_or_a_policy_beside_the_tested_ones(
    resources: Resources,
) -> None:
    scheduled = 3

    assert [set(role) for role in resources.every(ROLE)] == [{"AssumeRolePolicyDocument"}] * (
        len(FUNCTIONS) + scheduled
    )
    assert len(resources.every(POLICY)) == len(FUNCTIONS) + scheduled


@of_each_scheduled
def test_a_schedule_may_only_start_its_function(
    resources: Resources, words: str, schedule: str
) -> None:
    assert resources.allowed(schedule) == [
        allow("lambda:InvokeFunction", resources.arn(FUNCTION, words))
    ]
    assert resources.properties(SCHEDULE, schedule)["Target"]["Arn"] == resources.arn(
        FUNCTION, words
    )


@of_each_scheduled
def test_only_this_accounts_scheduler_may_take_a_schedules_role(
    resources: Resources, words: str, schedule: str
) -> None:
    document = resources.properties(ROLE, schedule)["AssumeRolePolicyDocument"]
    (statement,) = document["Statement"]

    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


@of_each_scheduled
def test_a_run_that_waits_gives_up_when_its_schedule_does(
    resources: Resources, words: str, schedule: str
) -> None:
    waiting = resources.properties(INVOCATION, words.removesuffix("Tick"))

    assert waiting["FunctionName"] == resources.ref(FUNCTION, words)
    assert resources.properties(SCHEDULE, schedule)["Target"]["RetryPolicy"] == {
        name: waiting[name] for name in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
    }


@of_each_function
def test_logs_are_kept_as_long_and_as_loud_as_set(full: Resources, words: str) -> None:
    function = full.properties(FUNCTION, words)

    assert full.properties(LOG, words)["RetentionInDays"] == 731
    assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"
    assert full.variables(words)["POWERTOOLS_LOG_LEVEL"] == "DEBUG"


def test_the_sandbox_gets_the_functions_for_this_machine(sandboxed: dict[str, Any]) -> None:
    here = platform_named("local")
    function = Resources(sandboxed).properties(FUNCTION, TICK)

    assert function["Runtime"] == here.runtime
    assert function["Architectures"] == [here.architecture]


def test_two_platforms_never_share_a_zip(resources: Resources, sandboxed: dict[str, Any]) -> None:
    keys = [
        each.properties(FUNCTION, TICK)["Code"]["S3Key"]
        for each in (resources, Resources(sandboxed))
    ]

    assert keys[0] != keys[1]


@of_each_function
def test_the_longest_settings_fit_into_a_functions_environment(full: Resources, words: str) -> None:
    environment_bytes_max = 4_096
    told = full.variables(words)
    longest = {
        "USAGE_QUEUE_URL": len("https://sqs.ap-southeast-1.amazonaws.com/123456789012/") + 80,
        "PRODUCT_CODE": 255,
        "DIMENSIONS": LIST_BYTES_MAX,
        "PRODUCT_IDS": LIST_BYTES_MAX,
        "SELLER_NAME": SELLER_NAME_BYTES_MAX,
        "NEXT_STEPS": NEXT_STEPS_BYTES_MAX,
        **{name: 255 for name in told if name.endswith("_TABLE")},
        **{name: URL_CHARACTERS_MAX for name in told if name.endswith("_URL")},
        **{name: EMAIL_CHARACTERS_MAX for name in told if name.endswith("_EMAIL")},
    }

    values = sum(longest.get(name) or len(value) for name, value in told.items())

    assert sum(map(len, told)) + values <= environment_bytes_max
