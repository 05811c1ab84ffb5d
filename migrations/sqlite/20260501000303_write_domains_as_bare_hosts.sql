-- A domain is a bare host in lower case. Stamps don't move here: the next sync of the account finds its
-- row changed, and tells so.

UPDATE engagement_accounts SET domain = (
    SELECT CASE WHEN host = '' THEN trim(domain) WHEN host LIKE 'www.%.%' THEN substr(host, 5) ELSE host END
    FROM (SELECT rtrim(substr(place, 1, instr(place || ':', ':') - 1), '.') AS host
    FROM (SELECT substr(part, instr(part, '@') + 1) AS place
    FROM (SELECT substr(part, 1, instr(part || '#', '#') - 1) AS part
    FROM (SELECT substr(part, 1, instr(part || '?', '?') - 1) AS part
    FROM (SELECT substr(rest, 1, instr(rest || '/', '/') - 1) AS part
    FROM (SELECT CASE
              WHEN instr(text, '://') > 0 THEN substr(text, instr(text, '://') + 3)
              WHEN text LIKE '//%' THEN substr(text, 3)
              ELSE text
          END AS rest
    FROM (SELECT lower(trim(domain)) AS text))))))))
WHERE domain GLOB '*[A-Z/:?#@ ]*' OR domain LIKE 'www.%' OR domain LIKE '%.';
