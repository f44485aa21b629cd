"""Decisions of people: by command, by spreadsheet, and their undo."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.database import Connection
from tests.support.command_line import check_failed, run
from tests.support.names import accepted, ask

EVIL = '=HYPERLINK("http://x";"a, b")\n\'quoted\' “ünïcode”'


def resolve(dsn: str, *arguments: str) -> Any:
    result = run("resolve", *arguments, "--dsn", dsn, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def proposed(db: Connection, dsn: str) -> str:
    names = ["Müller", "Twin", "-1+2", EVIL, "'plain"]
    ask(db, names, {2: "Müller GmbH", 3: "Müller AG", 2**62: "Twin", 5: "Twin", 6: "=1+2", 7: "'plain AG", 8: "plain"})
    ask(db, [], {9: f"{EVIL}!", 10: f"{EVIL} "})
    resolve(dsn, "propose", "--accept", "none")
    return dsn


def test_commands(db: Connection, proposed: str) -> None:
    open_names = {each["company_name"]: each["candidates"] for each in resolve(proposed, "review")}
    assert [each["organization_id"] for each in open_names["Twin"]] == [5, 2**62]
    ask(db, ["Nobody knows"], {})
    resolve(proposed, "propose", "--accept", "none")
    assert "Nobody knows" not in {each["company_name"] for each in resolve(proposed, "review")}
    assert {each["company_name"]: each["candidates"] for each in resolve(proposed, "review", "--all")}[
        "Nobody knows"
    ] == []
    assert "Nobody knows" in run("resolve", "review", "--all", "--dsn", proposed).stdout
    resolve(proposed, "accept", "Twin", "--candidate", "2")
    second = resolve(proposed, "accept", "Müller", "3")
    assert accepted(db) == {"Twin": 2**62, "Müller": 3}
    resolve(proposed, "accept", "Twin", "5")
    resolve(proposed, "undo", "Twin")
    assert accepted(db)["Twin"] == 2**62
    assert resolve(proposed, "undo", "--batch", str(second["batch_id"])) == {"undone": ["Müller"], "kept": []}
    assert resolve(proposed, "undo", "--batch", str(second["batch_id"])) == {"undone": [], "kept": ["Müller"]}
    resolve(proposed, "reject", "Müller")
    for now in ("has no decision now", "means no organization now", "has no decision now"):  # an undo may be undone
        assert f"'Müller' {now}." in run("resolve", "undo", "Müller", "--dsn", proposed).stdout
    resolve(proposed, "reject", "Müller")
    assert "Nothing has changed." in run("resolve", "reject", "Müller", "--dsn", proposed).stdout
    shown = resolve(proposed, "status")
    assert (shown["is_on"], shown["accepted"], shown["rejected"]) == (True, 1, 1)
    assert shown["batches"][0]["names"] == 1


def test_names_of_excluded_organizations_come_last(db: Connection, dsn: str) -> None:
    """No decision about them makes an edge; a name that may also mean another organization stays in its place."""
    names = ["Freelance"] * 5 + ["Self employed"] * 4 + ["Acme"] * 3 + ["Umbra"]
    ask(db, names, {1: "Freelance", 2: "Self employed", 3: "Self employed", 4: "Acme", 5: "Umbra"})
    resolve(dsn, "propose", "--accept", "none")
    shown = [each["company_name"] for each in resolve(dsn, "review")]
    assert shown == ["Freelance", "Self employed", "Acme", "Umbra"]
    db.execute(
        "INSERT INTO connection_paths.organization_policy (organization_id, rule) VALUES (1, 'none'), (2, 'none')"
    )
    db.execute("INSERT INTO connection_paths.organization_policy VALUES (4, 'long_overlaps', 90)")
    shown = [each["company_name"] for each in resolve(dsn, "review")]
    assert shown == ["Self employed", "Acme", "Umbra", "Freelance"]
    db.execute("TRUNCATE connection_paths.organization_policy")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("accept", "Twin", "77"), "organization 77 does not exist"),
        (("accept", "Twin", "--candidate", "4"), "has no candidate 4"),
        (("accept", "twin", "5"), "no work experience without an organization has the company name 'twin'"),
        (("reject", "twin"), "'twin'"),
        (("undo", "Twin"), "there is no decision about 'Twin'"),
        (("undo", "--batch", "999999"), "there is no batch 999999"),
    ],
)
def test_failures_are_one_line(proposed: str, arguments: tuple[str, ...], part: str) -> None:
    check_failed(run("resolve", *arguments, "--dsn", proposed), part)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_and_back(db: Connection, proposed: str, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "names.csv"
    assert resolve(proposed, "export", str(path))["names"] == 5
    again = run("resolve", "export", str(path), "--dsn", proposed)
    assert (again.exit_code, again.stderr) == (1, f"Error: {path} exists; remove it, or name another file\n")
    rows = read(path)
    cells = [cell for row in rows for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert resolve(proposed, "import", str(path)) == {"names": 0, "changed": 0}
    for row in rows:
        row["decision"] = "1"
    by_name = {row["company_name"]: row for row in rows}
    by_name["Twin"] |= {"decision": "accept", "organization_id": str(2**62)}
    by_name["Müller"]["decision"] = "Reject"
    write(path, rows, delimiter)
    done = resolve(proposed, "import", str(path))
    assert (done["names"], done["changed"]) == (5, 5)
    assert accepted(db) == {"Twin": 2**62, "Müller": None, "-1+2": 6, "'plain": 8, EVIL: 9}
    assert resolve(proposed, "import", str(path))["changed"] == 0
    assert len(resolve(proposed, "undo", "--batch", str(done["batch_id"]))["undone"]) == 5
    assert accepted(db) == {}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"decision": "4"}, "there is no candidate 4; this row has 2"),
        ({"decision": "0"}, "there is no candidate 0; this row has 2"),
        ({"decision": "1", "candidate_1": "", "candidate_2": ""}, "there is no candidate 1; this row has none"),
        ({"decision": "yes"}, "the decision 'yes' is none of"),
        ({"decision": "accept"}, "accept needs an id in the column organization_id"),
        ({"decision": "accept", "organization_id": "Twin"}, "'Twin' is not the id of an organization"),
        ({"decision": "accept", "organization_id": "77"}, "organization 77 does not exist"),
        ({"decision": "1", "candidate_1": "#2"}, "is 'Müller GmbH' and not 'Twin'; export again"),
        ({"decision": "2", "candidate_2": "4.61E+18"}, "'4.61E+18' is not the id of an organization"),
        ({"decision": "1", "company_name": "Twins"}, "has the company name 'Twins'"),
        ({"decision": "1", "company_name": "Müller"}, "the name is also in line"),
        ({"decision": "reject", "organization_id": "5"}, "reject, but the row has an organization_id"),
    ],
)
def test_a_file_that_is_not_clear_changes_nothing(
    db: Connection, proposed: str, tmp_path: Path, changes: dict[str, str], part: str
) -> None:
    path = tmp_path / "names.csv"
    resolve(proposed, "export", str(path))
    rows = sorted(read(path), key=lambda row: row["company_name"] == "Twin")
    for row in rows:
        if row["company_name"] == "Müller":
            row["decision"] = "1"
    rows[-1] |= changes
    write(path, rows)
    result = run("resolve", "import", str(path), "--dsn", proposed)
    problem, last = result.stderr.splitlines()
    assert (result.exit_code, result.stdout, last) == (1, "", "Nothing was imported.")
    assert re.match(rf"Error: {re.escape(str(path))}:\d+: ", problem)
    assert part in problem
    assert accepted(db) == {}


def test_each_unclear_line_is_a_line_of_the_message(db: Connection, proposed: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    resolve(proposed, "export", str(path))
    rows = read(path)
    unclear = ("?" * 3000, "1")  # the second names a candidate, but of a name that is not known
    write(path, [{**rows[0], "company_name": f"unknown {n}", "decision": unclear[n % 2]} for n in range(30)])
    result = run("resolve", "import", str(path), "--dsn", proposed)
    lines = result.stderr.splitlines()
    places = [line.removeprefix("Error: ").split(": ")[0] for line in lines[:20]]
    assert places == [f"{path}:{n}" for n in range(2, 22)]
    assert max(map(len, lines)) < 500 + len(str(path))
    assert lines[20:] == ["Further lines that are wrong: 10.", "Nothing was imported."]
    assert accepted(db) == {}


def test_a_file_of_another_kind(proposed: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    check_failed(run("resolve", "import", str(path), "--dsn", proposed), "cannot read")
    for content, part in (
        (b"a,b\n1,2\n", "has no column company_name"),
        ("company_name,decision\nMüller,1\n".encode("latin-1"), "is not UTF-8"),
    ):
        path.write_bytes(content)
        result = run("resolve", "import", str(path), "--dsn", proposed)
        problem, last = result.stderr.splitlines()
        assert (result.exit_code, part in problem, last) == (1, True, "Nothing was imported.")
