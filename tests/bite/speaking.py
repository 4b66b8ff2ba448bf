"""Bugs in how AWS is spoken to; the small size of the simulation has shells there."""

from tests.bite.bug import WHOLE, Bug, Edit

TABLE = "lambdas/metering/aws/ledger_table.py"
ITEMS = "lambdas/metering/aws/items.py"
OUTCOMES = "lambdas/metering/aws/outcomes.py"
QUARANTINE = "lambdas/metering/aws/quarantine.py"
MARKETPLACE = "lambdas/metering/aws/marketplace.py"
PRECEDENCE = "tests/integration/test_metering_precedence.py::"
LOST_ANSWERS = (
    "tests/integration/test_metering_lost_answers.py::"
    "test_a_call_of_unknown_effect_is_remembered_and_made_again_by_the_next_tick"
)
HOLES = "tests/integration/test_metering_holes.py::"
RECORDS = "tests/integration/test_metering_holes_of_records.py::"

BUGS = (
    Bug(
        "an append without a condition",
        Edit(
            TABLE,
            """
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
""",
            """
                Item=item,
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "eventually consistent reads of the ledger",
        Edit(OUTCOMES, '"Keys": wanted, "ConsistentRead": True', '"Keys": wanted'),
        Edit(ITEMS, "Key=key, ConsistentRead=True", "Key=key"),
        Edit(
            ITEMS,
            """
            ConsistentRead=True,
            **arguments,
""",
            """
            **arguments,
""",
        ),
        hunters=(WHOLE, HOLES + "test_every_read_of_the_ledger_is_consistent"),
        form=22,
    ),
    Bug(
        "outcomes are written without precedence",
        Edit(
            OUTCOMES,
            'f"attribute_not_exists(#dimension) OR',
            'f"attribute_exists(pk) OR attribute_not_exists(#dimension) OR',
        ),
        hunters=(
            WHOLE,
            PRECEDENCE + "test_nothing_is_written_over_accepted",
        ),
        form=14,
    ),
    Bug(
        "accepted is not written over what another tick wrote",
        Edit(
            OUTCOMES,
            'sets = [f"#d{at} = :o{at}" for at in places]',
            'sets = [f"#d{at} = if_not_exists(#d{at}, :o{at})" for at in places]',
        ),
        hunters=(PRECEDENCE + "test_accepted_is_written_over_everything",),
    ),
    Bug(
        "the outcomes of an hour are put as a whole",
        Edit(
            OUTCOMES,
            """
            client.update_item(TableName=self._items.table, Key=key, **arguments)
""",
            """
            client.put_item(TableName=self._items.table, Item={**key, dimension: ours})
""",
        ),
        hunters=(WHOLE,),
        form=18,
    ),
    Bug(
        "an unconfirmed record may be redriven",
        Edit(
            OUTCOMES,
            "outcome.status not in (Status.EXPIRED, Status.DRY_RUN):",
            "outcome.status not in (Status.EXPIRED, Status.DRY_RUN, Status.UNCONFIRMED):",
        ),
        hunters=(RECORDS + "test_an_unconfirmed_record_is_not_redriven",),
        form=19,
    ),
    Bug(
        "a redrive deletes whatever version is in quarantine",
        Edit(
            QUARANTINE,
            """
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": {"S": each.version}},
""",
            "",
        ),
        hunters=(HOLES + "test_a_redrive_deletes_only_the_version_that_it_sent",),
        form=16,
    ),
    Bug(
        "a time-out is taken for a refusal",
        Edit(
            MARKETPLACE,
            """
            return NoAnswer(type(error).__name__)
""",
            """
            return CallRefused(type(error).__name__)
""",
        ),
        hunters=(WHOLE, LOST_ANSWERS),
    ),
    Bug(
        "a server error is taken for a refusal",
        Edit(
            MARKETPLACE,
            """
    return NoAnswer(code)
""",
            """
    return CallRefused(code)
""",
        ),
        hunters=(WHOLE, LOST_ANSWERS),
    ),
    Bug(
        "UnprocessedRecords are ignored: all that was sent succeeded",
        Edit(
            MARKETPLACE,
            """
    return Answered(results, frozenset(unprocessed - results.keys()))
""",
            """
    results |= dict.fromkeys(unprocessed, ("Success", ""))
    return Answered(results, frozenset())
""",
        ),
        hunters=(WHOLE,),
    ),
)
"""In the order of the code."""
