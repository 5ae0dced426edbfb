-- The first schema. A released migration is never edited: the next change is the next file (Y1).
-- A CHECK with a list of three or more (`IN`) builds a table of it for every row that is written: these say OR.
-- Times are microseconds since 1970, UTC (`_us`). Keys are raw UTF-8 bytes, so that they sort as S3 lists them.

-- The ledger itself.
CREATE TABLE store (
  one           INTEGER PRIMARY KEY,
  id            BLOB    NOT NULL,              -- the blob store carries it too
  clock_us      INTEGER NOT NULL,              -- the last sequencer given: it never goes back, whatever the wall clock does
  rules_version INTEGER NOT NULL,              -- of the server-wide rules
  key_check     BLOB    NOT NULL,              -- sealed: a wrong master key is found at start (X14)
  event_bytes   INTEGER NOT NULL DEFAULT 0,    -- of all bodies in `event` (B1)
  written_by    TEXT    NOT NULL,              -- version of the program that opened it last; every version reads it (Y1)
  CONSTRAINT only_one CHECK (one = 1),
  CONSTRAINT id_is_a_uuid CHECK (length(id) = 16)
) STRICT;

-- Processes that joined. AUTOINCREMENT: an epoch is never given twice (DL-2).
CREATE TABLE instance (
  epoch     INTEGER PRIMARY KEY AUTOINCREMENT,
  joined_us INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL UNIQUE,
  role       TEXT    NOT NULL,
  created_us INTEGER NOT NULL,
  CONSTRAINT known_role CHECK (role IN ('admin', 'user'))
) STRICT;

-- What an account shows to be let in. Tokens as SHA-256, secret keys sealed (X14).
CREATE TABLE credential (
  id         INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account (id),
  token      BLOB    UNIQUE,
  access_key TEXT    UNIQUE,
  secret_key BLOB,
  created_us INTEGER NOT NULL,
  CONSTRAINT token_or_key CHECK ((token IS NULL) <> (access_key IS NULL)),
  CONSTRAINT key_has_secret CHECK ((access_key IS NULL) = (secret_key IS NULL)),
  CONSTRAINT token_is_a_hash CHECK (token IS NULL OR length(token) = 32)
) STRICT;

-- A deleted bucket stays as a row while its rules still have something to deliver (C12).
CREATE TABLE bucket (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  name          TEXT    NOT NULL,
  owner_id      INTEGER NOT NULL REFERENCES account (id),
  created_us    INTEGER NOT NULL,
  deleted_us    INTEGER,
  rules_version INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX one_live_bucket_per_name ON bucket (name) WHERE deleted_us IS NULL;
CREATE INDEX deleted_bucket ON bucket (deleted_us) WHERE deleted_us IS NOT NULL;

-- Versions of objects. The current one has rank 0; an older one the complement of its sequencer, so newest comes first.
CREATE TABLE object (
  bucket_id        INTEGER NOT NULL REFERENCES bucket (id),
  key              BLOB    NOT NULL,
  rank             INTEGER NOT NULL,
  sequencer        INTEGER NOT NULL,
  size             INTEGER NOT NULL,
  etag             TEXT    NOT NULL,
  last_modified_us INTEGER NOT NULL,
  content_type     TEXT,
  headers          TEXT,                       -- JSON, NULL when there are none
  metadata         TEXT,                       -- JSON, NULL when there is none
  checksum         TEXT,                       -- 'ALGORITHM base64'
  blob_id          BLOB,                       -- NULL: the bytes are in blob_inline under the sequencer
  PRIMARY KEY (bucket_id, key, rank),
  CONSTRAINT key_length CHECK (length(key) BETWEEN 1 AND 1024),
  CONSTRAINT size_not_negative CHECK (size >= 0)
) STRICT, WITHOUT ROWID;

-- Small bodies, in the transaction of their object: one fsync for the whole write.
CREATE TABLE blob_inline (
  id    INTEGER PRIMARY KEY,                   -- the sequencer of its version
  bytes BLOB    NOT NULL,
  CONSTRAINT small_and_not_empty CHECK (length(bytes) BETWEEN 1 AND 16384)
) STRICT;

-- The journal of large bodies: a name stands here before its first byte is written, until its bytes are gone.
CREATE TABLE blob (
  id       BLOB    PRIMARY KEY,
  state    TEXT    NOT NULL,
  epoch    INTEGER NOT NULL,                   -- the instance that staged it
  since_us INTEGER NOT NULL,                   -- when it came into this state
  CONSTRAINT id_is_a_uuid CHECK (length(id) = 16),
  CONSTRAINT known_state CHECK (state = 'staged' OR state = 'live' OR state = 'freed')
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_to_remove ON blob (state, since_us) WHERE state <> 'live';

CREATE TABLE rule (
  id          BLOB    PRIMARY KEY,
  bucket_id   INTEGER REFERENCES bucket (id),  -- NULL: the server's
  position    INTEGER NOT NULL,
  name        TEXT,
  url         TEXT    NOT NULL,
  events      TEXT    NOT NULL,                -- JSON array of patterns
  prefix      TEXT    NOT NULL,
  suffix      TEXT    NOT NULL,
  enabled     INTEGER NOT NULL,
  paused      INTEGER NOT NULL,
  dialect     TEXT    NOT NULL,
  secret      BLOB,                            -- sealed (X14)
  timeout_ms  INTEGER NOT NULL,
  max_retries INTEGER NOT NULL,
  max_age_ms  INTEGER NOT NULL,
  concurrency INTEGER NOT NULL,
  created_us  INTEGER NOT NULL,
  removed_us  INTEGER,                         -- removed, and its queue becomes dead letters
  CONSTRAINT id_is_a_uuid CHECK (length(id) = 16),
  CONSTRAINT flags CHECK (enabled IN (0, 1) AND paused IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_of_bucket ON rule (bucket_id, position);

-- One rule's url with its state. Only the owner sends (DL-1).
CREATE TABLE endpoint (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  rule_id     BLOB    NOT NULL UNIQUE REFERENCES rule (id),
  owner       INTEGER,                         -- epoch of an instance
  numbered_to INTEGER NOT NULL DEFAULT 0,      -- the last number given (DL-4)
  taken_to    INTEGER NOT NULL DEFAULT 0,      -- the last fresh delivery that an owner took
  CONSTRAINT takes_only_what_is_numbered CHECK (taken_to BETWEEN 0 AND numbered_to)
) STRICT;

-- The log of what happened and somebody wanted (B1). Replay reads it. The id holds the sequencer.
CREATE TABLE event (
  sequencer INTEGER PRIMARY KEY,
  id        BLOB    NOT NULL,
  body      TEXT    NOT NULL,                  -- JSON
  CONSTRAINT id_is_a_uuid CHECK (length(id) = 16)
) STRICT;

-- What one endpoint is owed. The row goes when the receiver says yes.
-- No reference to event is enforced here: it would need an index of this table by event. Pruning keeps what is owed.
CREATE TABLE delivery (
  endpoint_id INTEGER NOT NULL REFERENCES endpoint (id),
  number      INTEGER NOT NULL,                -- commit order within the endpoint, and its number (DL-4)
  event       INTEGER NOT NULL,                -- sequencer of the event
  attempts    INTEGER NOT NULL DEFAULT 0,
  state       INTEGER NOT NULL DEFAULT 0,      -- 0 fresh (taken when number <= taken_to), 1 waits until due_us, 2 taken again
  due_us      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (endpoint_id, number),
  CONSTRAINT known_state CHECK (state BETWEEN 0 AND 2),
  CONSTRAINT fresh_is_not_attempted CHECK (state <> 0 OR attempts = 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_waiting ON delivery (endpoint_id, due_us) WHERE state = 1;

-- What will not be delivered, and why (B10).
CREATE TABLE dead (
  endpoint_id INTEGER NOT NULL REFERENCES endpoint (id),
  number      INTEGER NOT NULL,
  event       INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  reason      TEXT    NOT NULL,
  died_us     INTEGER NOT NULL,
  PRIMARY KEY (endpoint_id, number),
  CONSTRAINT known_reason CHECK (reason = 'attempts' OR reason = 'age' OR reason = 'rule_removed')
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_by_age ON dead (died_us);
CREATE INDEX dead_by_event ON dead (event);

-- The history of attempts, append-only (X13). Keeps (rule, number, event) after the delivery is gone.
CREATE TABLE attempt (
  endpoint_id INTEGER NOT NULL REFERENCES endpoint (id),
  number      INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,                -- 1, 2, 3 … (DL-3)
  event       INTEGER NOT NULL,
  started_us  INTEGER NOT NULL,
  took_us     INTEGER NOT NULL,
  outcome     TEXT    NOT NULL,
  status      INTEGER,
  excerpt     TEXT,
  PRIMARY KEY (endpoint_id, number, attempt),
  CONSTRAINT known_outcome CHECK (outcome = 'answered' OR outcome = 'timed_out' OR outcome = 'unreachable'
                                  OR outcome = 'blocked' OR outcome = 'unknown'),
  CONSTRAINT status_when_answered CHECK ((outcome = 'answered') = (status IS NOT NULL))
) STRICT, WITHOUT ROWID;
