"""What outlives a mistake: tables, queues, logs and keys, whatever becomes of the stack."""

import json
from typing import Any

import pytest

from infra.package import ROOT
from tests.infra.template import LOG, QUEUE, TABLE, Resources

KEY = "AWS::KMS::Key"

STATEFUL = {
    "CustomersTable68815F0F": TABLE,
    "MeteringLedger9DE3E277": TABLE,
    "RegistrationRegistrations24CA72DF": TABLE,
    "MeteringUsageQueue3F3F16DC": QUEUE,
    "SubscriptionEventsC0FA8855": QUEUE,
    "SubscriptionDeadLetters1A9084FB": QUEUE,
    "SubscriptionUndelivered3F0CEEE9": QUEUE,
}
"""The logical ids by which CloudFormation knows what is deployed. Under another one a table or a
queue would be made anew, and the old one, with all that is in it, left behind. Never change one."""

ENCRYPTION_KEY = "EncryptionKey3A692D6E"
FORWARDING_STATEFUL = {"UndeliveredF3CF66A9": QUEUE, ENCRYPTION_KEY: KEY}

IDENTITY = {
    TABLE: ("TableName", "KeySchema", "LocalSecondaryIndexes"),
    QUEUE: ("QueueName", "FifoQueue"),
}
"""Properties whose change makes CloudFormation replace the resource; see its template reference."""

LAST_RELEASE: dict[str, Any] = json.loads(
    (ROOT / "tests" / "e2e" / "upgrade" / "release" / "template.json").read_text("utf-8")
)


def stateful(resources: Resources, *kinds: str) -> dict[str, str]:
    return {
        name: resource["Type"]
        for name, resource in resources.all.items()
        if resource["Type"] in (kinds or (TABLE, QUEUE, KEY))
    }


def test_a_refactoring_never_replaces_a_table_or_a_queue(resources: Resources) -> None:
    assert stateful(resources) == STATEFUL


def test_no_setting_replaces_a_table_or_a_queue(full: Resources) -> None:
    assert stateful(full) == {**STATEFUL, ENCRYPTION_KEY: KEY}


def test_nor_is_the_queue_of_the_forwarding_stack_replaced(forwarding: Resources) -> None:
    assert stateful(forwarding) == FORWARDING_STATEFUL


@pytest.mark.parametrize("name", STATEFUL)
def test_what_the_last_release_made_stays_the_same_resource(
    resources: Resources, name: str
) -> None:
    before, now = LAST_RELEASE["Resources"][name], resources.all[name]

    assert before["Type"] == now["Type"]
    for each in IDENTITY[now["Type"]]:
        assert before["Properties"].get(each) == now["Properties"].get(each)


def test_the_last_release_had_nothing_that_this_one_has_not(resources: Resources) -> None:
    assert stateful(Resources(LAST_RELEASE)).items() <= stateful(resources).items()


def test_nothing_that_holds_anything_goes_with_the_stack(
    full: Resources, forwarding: Resources
) -> None:
    holding = [
        (name, resource)
        for stack in (full, forwarding)
        for name, resource in stack.all.items()
        if resource["Type"] in (TABLE, QUEUE, KEY, LOG)
    ]

    assert len(holding) == len(STATEFUL) + 1 + len(FORWARDING_STATEFUL) + 6
    assert not [
        name
        for name, resource in holding
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        != ("Retain", "Retain")
    ]


def test_a_table_is_protected_from_deletion_by_anybody(full: Resources) -> None:
    assert all(table["DeletionProtectionEnabled"] for table in full.every(TABLE))


def test_a_stack_without_names_can_be_deployed_again_beside_what_it_left(
    resources: Resources,
) -> None:
    named = {"TableName", "QueueName"}

    assert not [name for name in STATEFUL if named & resources.all[name]["Properties"].keys()]


def test_the_output_kept_names_all_that_outlives_the_stack(
    template: dict[str, Any], resources: Resources
) -> None:
    _, parts = template["Outputs"]["Kept"]["Value"]["Fn::Join"]
    named = {part.get("Ref") or part["Fn::GetAtt"][0] for part in parts if isinstance(part, dict)}

    assert named == set(STATEFUL)
