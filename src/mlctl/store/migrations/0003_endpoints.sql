-- Endpoints and their deployments: what is wanted. What runs for it stands in the endpoint's folder.

-- port: where the endpoint listens on this machine, for good. traffic, mirror_traffic: JSON, deployment -> percent.
CREATE TABLE endpoints (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  auth_mode TEXT NOT NULL,
  host TEXT NOT NULL,
  port INTEGER NOT NULL,
  description TEXT,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  traffic TEXT NOT NULL,
  mirror_traffic TEXT NOT NULL,
  provisioning_state TEXT NOT NULL,
  stopped INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  modified_at REAL NOT NULL,
  document TEXT NOT NULL
);

-- generation: grows with each change that needs new processes. active: the generation that answers, 0 for none yet.
CREATE TABLE deployments (
  endpoint TEXT NOT NULL REFERENCES endpoints (name) ON DELETE CASCADE,
  name TEXT NOT NULL,
  backend TEXT NOT NULL,
  generation INTEGER NOT NULL,
  active INTEGER NOT NULL DEFAULT 0,
  provisioning_state TEXT NOT NULL,
  error TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  properties TEXT NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  modified_at REAL NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (endpoint, name)
) WITHOUT ROWID;

-- The plan of each generation that may still run.
CREATE TABLE deployment_plans (
  endpoint TEXT NOT NULL,
  deployment TEXT NOT NULL,
  generation INTEGER NOT NULL,
  plan TEXT NOT NULL,
  PRIMARY KEY (endpoint, deployment, generation),
  FOREIGN KEY (endpoint, deployment) REFERENCES deployments (endpoint, name) ON DELETE CASCADE
) WITHOUT ROWID;

-- Who changed what and when; deployments: name -> generation and digests after the change.
CREATE TABLE endpoint_changes (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint TEXT NOT NULL,
  at REAL NOT NULL,
  by TEXT NOT NULL,
  what TEXT NOT NULL,
  traffic TEXT NOT NULL,
  mirror_traffic TEXT NOT NULL,
  deployments TEXT NOT NULL
);

CREATE INDEX endpoint_changes_by_endpoint ON endpoint_changes (endpoint, sequence);
