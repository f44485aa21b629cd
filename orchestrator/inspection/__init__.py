"""Compares the objects of an installation with the files of this package; doctor, install and verify use the results.

* :mod:`~orchestrator.inspection.subject` describes the database that is looked at;
* :mod:`~orchestrator.inspection.versions` compares migrations, functions and views;
* :mod:`~orchestrator.inspection.indexes` compares indexes;
* :mod:`~orchestrator.inspection.finding` is one difference, with the command that repairs it.
"""
