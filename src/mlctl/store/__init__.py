"""What mlctl keeps: sqlite tables and content-addressed files, in the folder of a workspace."""
