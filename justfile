# Short names for the commands of this repository; each is one line that works without just, too.

# List the recipes.
default:
    @just --list

# See it work: three customers, simulated providers, a first full sync and a second one.
demo *args:
    cargo run --release -- demo {{ args }}

# Every test, on SQLite and on PostgreSQL.
test *args:
    tests/run {{ args }}

# Thousands of requests made from the OpenAPI documents.
fuzz *args:
    cargo build -p syncline
    tests/fuzz/run {{ args }}

# What continuous integration runs.
ci:
    .ci/run

# Write the OpenAPI documents anew.
openapi:
    cargo run -p syncline -- openapi
