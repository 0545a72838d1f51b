-- Versions that `mlctl gc` removed. A version never changes, so its number may come back only with the same content.

CREATE TABLE removed_versions (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  PRIMARY KEY (kind, name, version)
) WITHOUT ROWID;
