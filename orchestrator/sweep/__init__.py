"""A sweep measures how fast the finders answer under load, and writes a report.

    measure/  asks the database and takes the times   ->  Results (results.json)
    judge/    Results -> better, worse, same; objectives met or missed
    show/     Results and judgements -> summary.csv, summary.md, report.html

The load generator is ``measure/load_generator.py``. ``commands.py`` holds what the command line calls.
The package needs the extra ``sweep`` (NumPy and Jinja2).
"""
