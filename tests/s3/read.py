"""What others than Syncline find in a bucket that it wrote to.

    read.py newest BUCKET/PREFIX          the contacts, by both examples of docs/destinations.md, as JSON
    read.py holding BUCKET/PREFIX TEXT    the paths of all objects that hold a text, as JSON

The examples are taken out of the document and run as they are, but for the place to read from.
"""

import contextlib
import json
import os
import pathlib
import re
import sys
import tempfile

import duckdb
from pyarrow import fs, parquet

SERVER = f'fs.S3FileSystem(endpoint_override="{os.environ["TEST_S3_ENDPOINT"]}")'
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "destinations.md"


def example(language):
    return re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S).group(1)


def store():
    return eval(SERVER)


def plain(rows):
    """Rows as JSON would have them."""
    times = [f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%gZ') AS {name}"
             for name, kind in zip(rows.columns, rows.types) if "TIMESTAMP" in str(kind)]
    replaced = f"REPLACE ({', '.join(times)})" if times else ""
    found = duckdb.sql(f"SELECT * {replaced} FROM rows ORDER BY customer_id, id")
    return [dict(zip(found.columns, row)) for row in found.fetchall()]


def by_duckdb(root):
    with tempfile.TemporaryDirectory() as copy:
        fs.copy_files(root, copy, source_filesystem=store())
        duckdb.sql("SET TimeZone = 'UTC'")
        duckdb.execute(example("sql").replace("s3://your-bucket/syncline", copy)).fetchall()
        return plain(duckdb.sql("SELECT * FROM contacts"))


def by_pyarrow(root):
    names = {}
    text = example("python").replace("your-bucket/syncline", root)
    text = text.replace('fs.S3FileSystem(region="eu-central-1")', SERVER)
    with contextlib.redirect_stdout(sys.stderr):
        exec(text, names)
    contacts = names["contacts"]
    return plain(duckdb.sql("SELECT * FROM contacts"))


def holding(root, text):
    found = []
    for file in store().get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if not file.is_file:
            continue
        content = store().open_input_file(file.path).read()
        if file.path.endswith(".parquet"):
            # Its pages are compressed.
            table = parquet.read_table(file.path, filesystem=store())
            content += str(table.to_pylist()).encode()
        if text.encode() in content:
            found.append(file.path)
    return found


if sys.argv[1] == "newest":
    print(json.dumps({"duckdb": by_duckdb(sys.argv[2]), "pyarrow": by_pyarrow(sys.argv[2])}))
else:
    print(json.dumps(holding(*sys.argv[2:])))
