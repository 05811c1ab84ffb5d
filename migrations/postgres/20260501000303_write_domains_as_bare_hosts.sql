-- A domain is a bare host in lower case. Stamps don't move here: the next sync of the account finds its
-- row changed, and tells so.

UPDATE engagement_accounts AS a SET domain = h.host
FROM engagement_accounts AS b
CROSS JOIN LATERAL (SELECT regexp_replace(btrim(b.domain), '^([A-Za-z][A-Za-z0-9+.-]*:)?//', '') AS rest) AS r
CROSS JOIN LATERAL (SELECT regexp_replace(regexp_replace(r.rest, '[/?#\\].*$', ''), '^.*@', '') AS place) AS p
CROSS JOIN LATERAL (SELECT lower(regexp_replace(regexp_replace(p.place, ':[0-9]*$', ''), '\.+$', '')) AS whole) AS w
CROSS JOIN LATERAL (SELECT regexp_replace(w.whole, '^www\.(.*\.)', '\1') AS host) AS h
WHERE b.domain ~ '[A-Z/:?#@\s\\]|^www\.|\.$' AND h.host NOT IN ('', b.domain)
  AND a.application_id = b.application_id AND a.customer_id = b.customer_id
  AND a.provider_name = b.provider_name AND a.id = b.id;
