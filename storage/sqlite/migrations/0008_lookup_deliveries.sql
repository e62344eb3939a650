-- Of a LOOKUP, whose subject is the lookup's id as well.
ALTER TABLE deliveries ADD COLUMN lookup_id INTEGER REFERENCES lookups ON DELETE CASCADE;
UPDATE deliveries SET lookup_id = (SELECT l.id FROM lookups AS l WHERE l.id = CAST(subject AS INTEGER))
WHERE kind = 'lookup';
DELETE FROM deliveries WHERE kind = 'lookup' AND lookup_id IS NULL;
CREATE INDEX deliveries_of_lookup ON deliveries (lookup_id) WHERE lookup_id IS NOT NULL;
