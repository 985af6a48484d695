"""Runs the migrations that the database of the environment lacks, each with its record in one transaction."""

import pathlib

from app.postgres import Connection

FOLDER = pathlib.Path(__file__).parent.parent / "migrations"


def main():
    with Connection() as connection:
        connection.run_script("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
        done = {name for (name,) in connection.run("SELECT name FROM migrations")}
        for path in sorted(FOLDER.glob("*.sql")):
            if path.name in done:
                continue
            record = path.name.replace("'", "''")
            connection.run_script(
                f"BEGIN; {path.read_text(encoding='utf-8')}; INSERT INTO migrations VALUES ('{record}'); COMMIT"
            )
            print(f"{path.name} done")


if __name__ == "__main__":
    main()
