"""The command line: which commands there are, and what each is told."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from lambdas.customers.license import State
from lambdas.metering.aws import FOLD_KEPT_DAYS
from lambdas.metering.hand import REDRIVE_DAYS_MAX
from lambdas.metering.records import Status
from ops import customers as customers_
from ops import doctor as doctor_
from ops import explain as explain_
from ops import quarantine as quarantine_
from ops import records as records_
from ops import statement as statement_
from ops import status as status_
from ops import tick as tick_
from ops.arguments import hoisted, hour_given, license_key, month_text
from ops.clock import now_s
from ops.deployment import Deployment, Options, find
from ops.errors import FAILED, NO, OperatorError
from ops.output import Output
from ops.sentences import EXPECTED, sentence
from ops.sought import Sought

Find = Callable[[Options], Deployment]
Now = Callable[[], int]


@dataclass(frozen=True)
class Desk:
    """What every command works with; the stack is looked for when the first one asks."""

    options: Options
    output: Output
    find: Find
    now: Now

    @cached_property
    def deployment(self) -> Deployment:
        """The stack that is meant."""
        return self.find(self.options)


@dataclass(frozen=True, slots=True)
class World:
    """How the outside world is reached; tests bring one of their own."""

    find: Find = find
    now: Now = now_s


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done, 1 failed, 2 wrong command line, 3 looked and the answer is no."
    " docs/operate.md has more.",
)
quarantine = typer.Typer(no_args_is_help=True, help="Usage that was not counted.")
app.add_typer(quarantine, name="quarantine")

Days = Annotated[int, typer.Option("--days", min=1, max=396, help="How far back to look.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
BillNow = Annotated[
    bool, typer.Option("--bill-now", help="Bill it in the present hour, since its own is gone.")
]


@app.callback()
def _all(
    context: typer.Context,
    *,
    profile: Annotated[
        str | None, typer.Option(help="AWS profile; else AWS_PROFILE, or the default.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
            help="Of the stack; else that of cdk.json.",
        ),
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Its name; else that of cdk.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Operate a deployed metering stack.

    The options here may stand before or after the command.
    """
    world = context.obj or World()
    context.obj = Desk(
        options=Options(profile, region, stack),
        output=Output(as_json=as_json),
        find=world.find,
        now=world.now,
    )


@app.command()
def status(context: typer.Context) -> None:
    """Show how metering stands.

    Open hours, what waits and why, what is at risk, the last tick.
    """
    desk = _desk(context)
    status_.status(desk.deployment, desk.output, desk.now())


@app.command()
def customers(
    context: typer.Context,
    *,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; may be given several times.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
) -> None:
    """List licenses and their last billed hour."""
    desk = _desk(context)
    customers_.customers(
        desk.deployment, desk.output, desk.now(), states=state or list(State), account=account
    )


@app.command()
def statement(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="LICENSE", help="ARN, l-…, or PRODUCT/CUSTOMER.")],
    *,
    month: Annotated[str | None, typer.Option(help="YYYY-MM; else the present one.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Answer in CSV.")] = False,
    zeros: Annotated[bool, typer.Option("--zeros", help="Show hours without usage, too.")] = False,
) -> None:
    """Show a license's records of a month.

    What was sent, what AWS Marketplace answered, and what still waits.
    """
    desk = _desk(context)
    if as_csv and desk.output.as_json:
        raise OperatorError("Give --csv or --json, not both.")
    now = desk.now()
    statement_.statement(
        desk.deployment,
        desk.output,
        now,
        who=license_key(who),
        month=month or month_text(now),
        as_table=not as_csv,
        zeros=zeros,
    )


@app.command()
def explain(
    context: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="ID", help="The usage's Id, or with --message a MessageId.")
    ],
    *,
    who: Annotated[str | None, typer.Option("--license", help="It was sent with.")] = None,
    account: Annotated[
        str | None, typer.Option(help="The CustomerAWSAccountId it was sent with.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="The CustomerIdentifier it was sent with.")
    ] = None,
    product: Annotated[
        str | None, typer.Option(help="The ProductCode it was sent with, if it was.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Of the CloudEvent, if ID is the id of one.")
    ] = None,
    message: Annotated[bool, typer.Option("--message", help="ID is SQS's MessageId.")] = False,
    quantity: Annotated[
        str | None, typer.Option(help="As it was sent; tells records apart.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How far back to look.")] = FOLD_KEPT_DAYS,
) -> None:
    """Show where one usage event went.

    Which record it is part of and what became of that; or its place in quarantine.
    """
    desk = _desk(context)
    held = desk.deployment.customers.of_accounts([account] if account else [])
    sought = Sought(
        text,
        message=message,
        source=source or "",
        license=license_key(who) if who is not None else None,
        account=account or "",
        customer=customer or "",
        product=product or "",
        default_product=desk.deployment.environment.terms.product_code,
        held=frozenset(each.key for found in held.values() for each in found),
    )
    there = explain_.explain(
        desk.deployment, desk.output, desk.now(), sought=sought, quantity=quantity, days=days
    )
    if not there:
        raise typer.Exit(NO)


@quarantine.command("list")
def quarantine_list(
    context: typer.Context,
    *,
    reason: Annotated[str | None, typer.Option(help="Only what waits for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 100,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="What was dismissed.")] = False,
) -> None:
    """List what is in quarantine, and what to do about it."""
    desk = _desk(context)
    quarantine_.quarantine_list(
        desk.deployment, desk.output, reason=reason, limit=limit, dismissed=dismissed
    )


@quarantine.command("show")
def quarantine_show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As listed, or the first digits of it.")],
) -> None:
    """Show usage in quarantine, whole."""
    desk = _desk(context)
    quarantine_.quarantine_show(desk.deployment, desk.output, name=name)


@quarantine.command("redrive")
def quarantine_redrive(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As listed.")
    ] = None,
    *,
    reason: Annotated[str | None, typer.Option(help="All that waits for this reason.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that waits.")] = False,
    who: Annotated[
        str | None, typer.Option("--license", help="Of an expired record, with the next two.")
    ] = None,
    dimension: Annotated[str | None, typer.Option(help="Of an expired record.")] = None,
    hour: Annotated[str | None, typer.Option(help="Of an expired record: 2026-11-23T10Z.")] = None,
    bill_now: BillNow = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Have usage counted that waits: in quarantine, or as an expired record. Asks first."""
    desk = _desk(context)
    record = [each for each in (who, dimension, hour) if each is not None]
    if [bool(names), reason is not None, every, bool(record)].count(True) != 1:
        raise OperatorError(
            "Say what to redrive: names, or --reason, or --all, or --license with --dimension and"
            " --hour."
        )
    if not record:
        quarantine_.redrive_quarantined(
            desk.deployment,
            desk.output,
            names=names or (),
            reason=reason,
            bill_now=bill_now,
            dry_run=dry_run,
            yes=yes,
        )
        return
    if who is None or dimension is None or hour is None:
        raise OperatorError("An expired record is named by --license, --dimension and --hour.")
    quarantine_.redrive_expired(
        desk.deployment,
        desk.output,
        desk.now(),
        record=(license_key(who), dimension, hour_given(hour)),
        bill_now=bill_now,
        dry_run=dry_run,
        yes=yes,
    )


@quarantine.command("dismiss")
def quarantine_dismiss(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As listed.")
    ] = None,
    *,
    reason: Annotated[str | None, typer.Option(help="All that waits for this reason.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take usage off the list and out of the alarms that needs no more attention. Asks first."""
    desk = _desk(context)
    if bool(names) is (reason is not None):
        raise OperatorError("Say what to dismiss: names, or --reason.")
    quarantine_.dismiss(
        desk.deployment,
        desk.output,
        desk.now(),
        names=names or (),
        reason=reason,
        dry_run=dry_run,
        yes=yes,
    )


@app.command()
def parked(context: typer.Context) -> None:
    """List records refused for now, or withheld."""
    desk = _desk(context)
    records_.parked(desk.deployment, desk.output, desk.now())


@app.command()
def unconfirmed(context: typer.Context, *, days: Days = REDRIVE_DAYS_MAX) -> None:
    """List records that may be on the bill."""
    _ended_as(context, Status.UNCONFIRMED, days)


@app.command()
def expired(context: typer.Context, *, days: Days = REDRIVE_DAYS_MAX) -> None:
    """List records that were too late."""
    _ended_as(context, Status.EXPIRED, days)


@app.command()
def conflicts(context: typer.Context, *, days: Days = REDRIVE_DAYS_MAX) -> None:
    """List records of hours metered elsewhere."""
    _ended_as(context, Status.CONFLICT, days)


@app.command()
def tick(context: typer.Context, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Run the metering function now. Asks first."""
    desk = _desk(context)
    tick_.tick(desk.deployment, desk.output, dry_run=dry_run, yes=yes)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check all that metering needs.

    Changes nothing, and sends AWS Marketplace nothing.
    """
    desk = _desk(context)
    if not doctor_.doctor(desk.deployment, desk.output, desk.now()):
        raise typer.Exit(NO)


def _desk(context: typer.Context) -> Desk:
    desk = context.obj
    assert isinstance(desk, Desk)
    return desk


def _ended_as(context: typer.Context, status: Status, days: int) -> None:
    desk = _desk(context)
    records_.ended_as(desk.deployment, desk.output, desk.now(), status=status, days=days)


def main(arguments: Sequence[str] | None = None, *, world: World | None = None) -> None:
    """Run a command and exit with its status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=hoisted(given), prog_name="marketplace", obj=world)
    except EXPECTED as error:
        typer.echo(sentence(error), err=True)
        raise SystemExit(FAILED) from None
