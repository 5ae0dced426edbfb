-- What was handled (A4).
CREATE TABLE seen (
  dialect    TEXT    NOT NULL,
  identity   TEXT    NOT NULL,
  handled_us INTEGER NOT NULL,             -- microseconds since 1970, UTC
  PRIMARY KEY (dialect, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by_age ON seen (handled_us);

-- The latest change of each key that was handled (A8). Sequencers of two systems cannot be compared.
CREATE TABLE latest (
  dialect    TEXT    NOT NULL,
  bucket     TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  sequencer  TEXT    NOT NULL,
  handled_us INTEGER NOT NULL,             -- microseconds since 1970, UTC
  PRIMARY KEY (dialect, bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX latest_by_age ON latest (handled_us);
