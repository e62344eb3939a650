-- The name of who stopped it, as shown on its card; NULL: the bot did, or nobody.
ALTER TABLE watches ADD COLUMN stopped_by TEXT;
