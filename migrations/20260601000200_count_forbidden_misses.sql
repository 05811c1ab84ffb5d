-- Complete reads in a row that lacked a row and after which the provider refused lookups by id.
-- Absence is proof for such rows only if lookups were refused each time: a refusal that passes, of
-- one plan check or one request, says nothing of what the key may see.
ALTER TABLE missing_records ADD COLUMN forbidden_misses bigint NOT NULL DEFAULT 0;
