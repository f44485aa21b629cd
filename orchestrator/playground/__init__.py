"""The playground: a local web page to ask for paths and to look at the answer (``orchestrator serve``).

    server.py  listens, and limits how long a request may take
    app.py     the addresses and their pages          form.py      the parameters of an address
    database.py  the database's answers                sessions.py  read-only transactions with time limits
    answer.py  an answer as its page shows it          pictures.py  its paths as a graph
    trouble.py  failures as a page shows them

It needs the extra ``playground`` (Starlette, Uvicorn and Jinja2). It reads only, and keeps nothing but connections.
"""
