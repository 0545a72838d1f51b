-- Assets: data, models, environments, components. A name stands for its versions; a version never changes but for
-- description, tags, properties, stage and whether it is archived.

CREATE TABLE asset_names (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  archived INTEGER NOT NULL DEFAULT 0,
  -- one more than the highest version that is a number
  next_version INTEGER NOT NULL DEFAULT 1,
  anonymous INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- content: the digest of a tree of the content store, NULL when the asset only points to its path.
CREATE TABLE assets (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  type TEXT NOT NULL,
  path TEXT,
  content TEXT,
  fingerprint TEXT NOT NULL,
  stage TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  archived INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  modified_at REAL NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (kind, name, version)
);

-- The latest version is the newest one that is not archived: one step in this index among any number of versions.
CREATE INDEX assets_by_recency ON assets (kind, name, archived, sequence);
CREATE INDEX assets_by_content ON assets (content);

CREATE TABLE asset_labels (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  label TEXT NOT NULL,
  version TEXT NOT NULL,
  PRIMARY KEY (kind, name, label)
) WITHOUT ROWID;

-- Lineage: what something was made from. Nodes are texts such as job/NAME and data/NAME/VERSION (entities/lineage.py).
CREATE TABLE links (
  downstream TEXT NOT NULL,
  upstream TEXT NOT NULL,
  role TEXT NOT NULL,
  PRIMARY KEY (downstream, upstream, role)
) WITHOUT ROWID;

CREATE INDEX links_by_upstream ON links (upstream, downstream);

-- credentials: where each secret is found (a variable, a file, the keyring), never the secret.
CREATE TABLE datastores (
  name TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  description TEXT,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  settings TEXT NOT NULL,
  credentials TEXT NOT NULL,
  created_at REAL NOT NULL
);

CREATE TABLE connections (
  name TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  target TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  settings TEXT NOT NULL,
  credentials TEXT NOT NULL,
  created_at REAL NOT NULL
);

-- Images that were made of environments. environments: references of registered ones (JSON list). registries: the
-- references under which it was pushed, with the digest of each (JSON map).
CREATE TABLE images (
  fingerprint TEXT NOT NULL,
  engine TEXT NOT NULL,
  image TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  environments TEXT NOT NULL,
  registries TEXT NOT NULL,
  created_at REAL NOT NULL,
  PRIMARY KEY (fingerprint, engine)
) WITHOUT ROWID;
