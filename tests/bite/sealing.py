"""Bugs in what closes hours, and in what reads closed ones back."""

from tests.bite.bug import CORE, Bug, Edit

SEAL = "lambdas/metering/seal.py"
LOG = "lambdas/metering/log.py"
LEDGER = "lambdas/metering/ledger.py"
TICK = "lambdas/metering/tick.py"
HOLES = "tests/integration/test_metering_holes_of_records.py::"
OLD_LOGS = "tests/integration/test_metering_old_logs.py::"
MONTH_ENDS = "tests/integration/test_metering_month_ends.py::"

BUGS = (
    Bug(
        "an hour is sealed without time to settle",
        Edit(
            SEAL,
            """
    settle_s = MONTH_END_SETTLE_S if last else terms.settle_minutes * 60
""",
            """
    settle_s = 0
""",
        ),
    ),
    Bug(
        "an hour is sealed over a backlog",
        Edit(
            SEAL,
            "over_s >= wait_s or (drained and over_s >= settle_s)",
            "over_s >= min(wait_s, settle_s)",
        ),
        hunters=(CORE, HOLES + "test_an_hour_is_not_sealed_over_a_backlog"),
        form=12,
    ),
    Bug(
        "a month is closed over messages that are out of sight",
        Edit(TICK, "not ends_month(ledger, due) or wiring.queue.is_empty()", "True"),
        hunters=(
            CORE,
            MONTH_ENDS + "test_a_month_is_not_closed_over_messages_that_are_out_of_sight",
        ),
    ),
    Bug(
        "a license that ends is closed as early in the last hour of a month",
        Edit(
            SEAL,
            "settle_s = max(settle_s, MONTH_END_ENDING_S)",
            "pass",
        ),
        hunters=(
            MONTH_ENDS + "test_a_license_that_comes_back_in_a_months_last_hour_goes_on_in_it",
        ),
    ),
    Bug(
        "a seal for some licenses closes the hour for all",
        Edit(
            LEDGER,
            """
        if seal.everyone:
""",
            """
        if True:
""",
        ),
    ),
    Bug(
        "an early seal of one license is forgotten",
        Edit(
            LEDGER,
            """
                self.early[who] = max(seal.upto, self.sealed_upto(who))
""",
            """
                self.early.pop(who, None)
""",
        ),
    ),
    Bug(
        "a zero is reported beside usage",
        Edit(
            SEAL,
            "if not used and (each.key, dimension) not in heartbeats.refused:",
            "if (each.key, dimension) not in heartbeats.refused:",
        ),
    ),
    Bug(
        "a zero is reported for an hour that is sealed already",
        Edit(
            SEAL,
            "max(hour_of(begin_s - 1) + 1, self.ledger.sealed_upto(each.key) + 1)",
            "hour_of(begin_s - 1) + 1",
        ),
    ),
    Bug(
        "zeros are reported for hours of an older submitter",
        Edit(
            SEAL,
            """
        since_s = max(self.ledger.began_s, terms.metering_from_s)
""",
            """
        since_s = self.ledger.began_s - DAY_HOURS * HOUR_S
""",
        ),
    ),
    Bug(
        "a time outside of its hour is frozen",
        Edit(
            SEAL,
            "max(each for each in times_s if hour_of(each) <= hour)",
            "max(times_s)",
        ),
    ),
    Bug(
        "tag sets are added up without a limit",
        Edit(
            SEAL,
            """
        allocations = merged(usage.by_tags)
""",
            """
        allocations = tuple(usage.by_tags.items())
""",
        ),
        hunters=(HOLES + "test_a_record_of_usage_with_many_tag_keys_is_taken",),
        form=15,
    ),
    Bug(
        "a cold container reads back as far as the watermark only",
        Edit(
            LOG,
            "min(needed_s, oldest_open_s(watermark)) - CLOCK_SKEW_S",
            "(watermark + 1) * 3600",
        ),
    ),
    Bug(
        "a cold container forgets records that the hint lists",
        Edit(
            LOG,
            """
        listed = set(settled.unfinished)
""",
            """
        listed = set()
""",
        ),
    ),
    Bug(
        "the hint leaves unfinished records out",
        Edit(
            "lambdas/metering/submit.py",
            "Settled(upto, tuple(place for place in listed if place[0] <= upto))",
            "Settled(upto)",
        ),
    ),
    Bug(
        "the hint names a fold",
        Edit("lambdas/metering/submit.py", "else ledger.last_seal", "else ledger.last"),
        hunters=(
            OLD_LOGS + "test_numbers_that_are_given_anew_after_a_pause_are_not_taken_for_final",
        ),
    ),
)
"""In the order of the code."""
