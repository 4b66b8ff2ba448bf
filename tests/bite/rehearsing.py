"""Bugs in dry-runs: what one marks, and what is made of its marks when the stack goes live."""

from tests.bite.bug import CORE, Bug, Edit

SUBMIT = "lambdas/metering/submit.py"
RECORDS = "lambdas/metering/records.py"
DRY_RUN_TESTS = "tests/integration/test_metering_dry_run.py::"
CUT_OVER_TESTS = "tests/integration/test_metering_cut_over.py::"

MARKED_IN_DOUBT = Edit(
    SUBMIT,
    "if each.outcome is None and not each.doubts]",
    "if each.outcome is None]",
)

BUGS = (
    Bug(
        "a dry-run marks records, and sends them",
        Edit(
            SUBMIT,
            """
            self.mark(due, now_s)
            return
""",
            """
            self.mark(due, now_s)
""",
        ),
    ),
    Bug(
        "a dry-run's mark is final at once",
        Edit(
            SUBMIT,
            "mark = Outcome(Status.DRY_RUN, now_s)",
            "mark = Outcome(Status.DRY_RUN, now_s, str(Status.DRY_RUN))",
        ),
    ),
    Bug(
        "a dry-run's mark stays while a live stack sends the record",
        Edit(
            SUBMIT,
            """
        due = self.take_back_marks(due)
""",
            "",
        ),
        hunters=(DRY_RUN_TESTS + "test_a_live_stack_answers_for_what_a_dry_run_had_marked",),
    ),
    Bug(
        "what was counted before the cut-over is sent after it",
        Edit(
            RECORDS,
            """
    if is_anothers(record, terms):
        return False
""",
            "",
        ),
    ),
    Bug(
        "a dry-run marks what may have been applied",
        MARKED_IN_DOUBT,
        hunters=(CUT_OVER_TESTS + "test_what_may_have_been_applied_is_not_marked",),
    ),
    Bug(
        "what may have been applied ends as a dry-run",
        MARKED_IN_DOUBT,
        Edit(
            RECORDS,
            """
    elif outcome is not None and not maybe_applied:
""",
            """
    elif outcome is not None:
""",
        ),
        hunters=(
            CORE,
            "tests/unit/test_metering_dry_run.py::test_what_may_have_been_applied_is_unconfirmed_whatever_the_mark_says",
        ),
    ),
)
"""In the order of a mark's life."""
