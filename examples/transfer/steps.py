"""The steps of the story. Each one makes sure that what it tells is so."""

import datetime
import os
import signal
import time

from processes import Failed, wait_until
from story import kill

LEASED_WITHIN = 30
WAITING_WITHIN = 30
# Commands may be faster than who wants to interrupt them.
ATTEMPTS = 10

ORDERS = "generic-consumer transfer {day} orders"
SHIPMENTS = "generic-consumer transfer {today} shipments"


def tell(shop, story):
    day = shop.today - datetime.timedelta(days=1)
    first = day - datetime.timedelta(days=2)
    story.days = {"day": f"{day:%Y%m%d}", "first": f"{first:%Y%m%d}", "today": f"{shop.today:%Y%m%d}", "date": day}
    plan(story)
    truncate(story)
    delta(story)
    rejected(story)
    killed(shop, story)
    events(story)
    two_at_once(shop, story)
    runs(story)


def plan(story):
    story.step("A plan first", "transfers.toml says that the orders of the shop go to the table `orders`, by their day. --dry-run says what "
               "would be read and written, and does nothing.")
    story.run(f"{ORDERS} truncate transfers.toml --dry-run")


def truncate(story):
    story.step("A day, twice", "The rows go into a staging table, are counted, and replace the day's partition in one step.")
    story.run(f"{ORDERS} truncate transfers.toml", logs=True)
    story.run("generic-consumer local rows orders --columns order_id,placed_at,customer,amount,voucher --limit 3")
    before = story.sum("orders")
    story.run(f"{ORDERS} truncate transfers.toml")
    unchanged(before, story.sum("orders"), "the same command again has changed the table")
    story.say("The same command again changes nothing.")


def delta(story):
    command = f"{ORDERS} delta transfers.toml --delta-start-date {{first}}"
    story.step("What has changed since", "Mode delta updates rows with the same key and inserts the others. The two days before are new here.")
    story.run(command)
    story.after("Then somebody corrects an order of {date}, and two come late:")
    story.run("psql \"$SHOP\" -c \"UPDATE orders SET amount = 99.90 WHERE id = 41000\" -c \"INSERT INTO orders "
              "VALUES (60000, '{date} 12:00Z', 7, 12.50), (60001, '{date} 23:59Z', 8, 8.00)\"")
    story.run(command)
    before = story.sum("orders")
    story.run(command)
    unchanged(before, story.sum("orders"), "the same delta again has changed the table")


def rejected(story):
    story.step("Records that the contract refuses", "A negative amount is against contracts/shop/orders_v1.yaml. By default one such record "
               "is too many: the target stays as it is.")
    before = story.sum("orders")
    story.run("psql \"$SHOP\" -c \"UPDATE orders SET amount = -1 WHERE id IN (41000, 42000)\"")
    story.run(f"{ORDERS} truncate transfers.toml", code=7)
    unchanged(before, story.sum("orders"), "a run with rejected records has changed the table")
    story.run("generic-consumer local rows orders_dead_letters --columns reason,detail,consumer_group --limit 2")
    story.after("Who can do without them says how many. Once they are corrected, the day is run again.")
    story.run(f"{ORDERS} truncate transfers.toml --max-rejected 2")
    story.run("psql \"$SHOP\" -c \"UPDATE orders SET amount = 1 WHERE id IN (41000, 42000)\"")
    story.run(f"{ORDERS} truncate transfers.toml")


def killed(shop, story):
    story.step("Killed in the middle", "kill -9 while rows are staged, once in each mode. The target is as it was; the next run removes what "
               "the killed one has left. It waits (--wait) until the lease of the killed one ends, here after at most 5 seconds.")
    for arguments in ("truncate transfers.toml", "delta transfers.toml --delta-start-date {first}"):
        command = f"{ORDERS} {arguments}".format(**story.days)
        story.run("psql \"$SHOP\" -c \"UPDATE orders SET amount = amount + 1 WHERE placed_at >= '{date}Z'\"")
        before = story.sum("orders")
        story.show(command, "killed")
        kill_one(shop, story, command)
        left = [name for name in shop.bigquery.tables() if "__transfer__" in name]
        story.say(f"It has left {' and '.join(left)}.")
        unchanged(before, story.sum("orders"), "a run that was killed has changed the table")
        story.run(f"{command} --wait", logs=True)
        nothing_left(shop, "orders")


def kill_one(shop, story, command):
    """Kills a run that is staging rows."""
    for attempt in range(ATTEMPTS):
        began, process = time.monotonic(), story.start(command)
        while process.poll() is None and not any(name.startswith("orders__transfer__orders") and name.endswith("_0") for name in shop.bigquery.tables()):
            time.sleep(0.002)
        # Some rows are there by then, unless all of them are.
        time.sleep(0.2 / (attempt + 1))
        kill(process)
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            story.after(f"killed after {time.monotonic() - began:.1f} s")
            return
    raise Failed(f"`{command}` has ended before it could be killed, {ATTEMPTS} times")


def events(story):
    story.step("A topic", "The day of a topic is read by Kafka's times, from the first record of the day to the last. A row is told apart by "
               "its partition and offset. (Today is not over, which the program says.)")
    produce = "generic-consumer produce SHIPMENTS --generate --rate 20000/s --count"
    story.run(f"{produce} 4000 --seed 1")
    story.run(f"{SHIPMENTS} truncate transfers.toml")
    story.run(f"{produce} 1000 --seed 2")
    story.run(f"{SHIPMENTS} delta transfers.toml")
    story.run("generic-consumer local rows shipments --columns event_type,order_id,weight_grams,signed_by,_kafka_partition,_kafka_offset --limit 3")


def two_at_once(shop, story):
    story.step("Two at once", "A run has the lease of its transfer and date. Another one leaves with exit code 6, or waits with --wait. The "
               "first one is stopped here (SIGSTOP) for as long as you look at the others.")
    before, command = story.sum("shipments"), f"{SHIPMENTS} truncate transfers.toml"
    first = command.format(**story.days)
    story.show(f"{first} &")
    log = (shop.logs / "first.log").open("w+")
    process = stopped_one(shop, story, first, log)
    try:
        story.run(command, code=6)
        story.show(f"{first} --wait &")
        with (shop.logs / "waiting.log").open("w+") as own:
            waiting = story.start(f"{first} --wait", logs=True, own=own)
            said = shop.logs / "waiting.log"
            wait_until("the second run's wait", lambda: "waiting for another run" in said.read_text() or waiting.poll() is not None, WAITING_WITHIN)
            story.say("(it waits)")
            story.show("kill -CONT %1; wait")
            os.killpg(process.pid, signal.SIGCONT)
            story.ended(process, first)
            story.ended(waiting, f"{first} --wait")
            if "waiting for another run" not in said.read_text():
                raise Failed(f"the second run has not waited:\n{said.read_text()}")
            story.say("Both end well, one after the other.")
    finally:
        log.close()
        if process.poll() is None:
            kill(process)
    unchanged(before, story.sum("shipments"), "two runs at once have changed the table")
    nothing_left(shop, "shipments")


def stopped_one(shop, story, command, log):
    """Starts a run and stops it while it has its lease."""
    for _ in range(ATTEMPTS):
        process = story.start(command, own=log)
        while process.poll() is None:
            if any(name.startswith("shipments__transfer__shipments") for name in shop.bigquery.tables()):
                os.killpg(process.pid, signal.SIGSTOP)
                # It may have given the lease back in the meantime.
                if any(name == f"shipments__transfer__shipments__{story.days['today']}" for name in shop.bigquery.tables()):
                    return process
                os.killpg(process.pid, signal.SIGCONT)
            time.sleep(0.002)
        story.ended(process, command)
    raise Failed(f"`{command}` has ended before it could be stopped, {ATTEMPTS} times")


def runs(story):
    story.step("Who has run what", "Each run that has ended well is a row of a table next to the target.")
    columns = "started_at,transfer,mode,first_day,last_day,run,records_read,records_rejected,rows_inserted,rows_updated"
    story.run(f"generic-consumer local rows generic_consumer_transfers --columns {columns}")


def unchanged(before, after, what):
    if before != after:
        raise Failed(what)


def nothing_left(shop, target):
    left = [name for name in shop.bigquery.tables() if name.startswith(f"{target}__transfer__")]
    if left:
        raise Failed(f"a run has ended and left {', '.join(left)}")
