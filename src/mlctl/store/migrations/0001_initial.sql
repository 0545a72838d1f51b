-- Plain SQL that sqlite 3.24 understands: no RETURNING, no STRICT tables.
-- Times are seconds since the epoch. Columns named *_json, and tags, properties, document, hold JSON text.

CREATE TABLE workspace (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  description TEXT,
  display_name TEXT,
  location TEXT NOT NULL,
  tags TEXT NOT NULL,
  created_at REAL NOT NULL
);

CREATE TABLE computes (
  name TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  backend TEXT NOT NULL,
  max_concurrent INTEGER,
  description TEXT,
  tags TEXT NOT NULL,
  settings TEXT NOT NULL,
  created_at REAL NOT NULL,
  provisioning_state TEXT NOT NULL
);

-- AUTOINCREMENT: a sequence is never given out twice, so submission order is total.
CREATE TABLE jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL,
  archived INTEGER NOT NULL DEFAULT 0,
  compute TEXT NOT NULL,
  backend TEXT NOT NULL,
  type TEXT NOT NULL,
  parent_job_name TEXT,
  experiment_name TEXT NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  started_at REAL,
  ended_at REAL,
  exit_code INTEGER,
  display_name TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  error TEXT,
  usage TEXT,
  supervisor TEXT,
  claimer TEXT,
  document TEXT NOT NULL
);

-- Each list is answered from one index, already in its order: the newest 50 cost the same among 10 and among 100,000.
CREATE INDEX jobs_by_archived ON jobs (archived, sequence);
CREATE INDEX jobs_by_status ON jobs (status, archived, sequence);
CREATE INDEX jobs_by_parent ON jobs (parent_job_name, archived, sequence);
CREATE INDEX jobs_by_compute ON jobs (compute, archived, sequence);
CREATE INDEX jobs_by_queue ON jobs (compute, status, sequence);

-- Apart from jobs: a plan can be large, and no list reads it.
CREATE TABLE plans (
  job INTEGER PRIMARY KEY REFERENCES jobs (sequence) ON DELETE CASCADE,
  plan TEXT NOT NULL
);

-- The last value of each metric; NULL stands for "not a number".
CREATE TABLE metrics (
  job INTEGER NOT NULL REFERENCES jobs (sequence) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value REAL,
  step INTEGER NOT NULL,
  time REAL NOT NULL,
  PRIMARY KEY (job, key)
) WITHOUT ROWID;

CREATE INDEX metrics_by_value ON metrics (key, value, job);
