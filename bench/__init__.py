"""What it costs and how fast it is: counted requests, and ratios taken side by side in one run.

    python -m bench                 every part; the exit status tells whether all targets are met
    python -m bench cost cpu        some parts: cost, idle, cpu, scale, submission, cold, reach
    python -m bench --write         and keep the tables in docs/performance.md
    python -m bench --quick         a tenth of everything, in a few minutes; no target is judged

    table.py       rows with targets and verdicts; page.py puts them into docs/performance.md
    rig.py         real boto3 clients answered in memory, and what they asked for, counted
    load.py        usage as producers send it; measure.py takes CPU times side by side
    prices.py      list prices with their date and sources
    hour.py        an hour of usage from the producer to the bill
    cost.py idle.py cpu.py scale.py memory.py submission.py cold.py reach.py     the parts

Time is the CPU's (`time.process_time`): the machine may be shared. What belongs together is
measured in turns, so that a slow minute is everybody's, and the least of several times is taken,
since another program can only add.
"""
