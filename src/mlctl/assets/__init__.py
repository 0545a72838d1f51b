"""What a reference means in this workspace: assets with their files, places of jobs and datastores, registration."""
