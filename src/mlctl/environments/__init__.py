"""Python environments: from what a spec says (conda file, image, curated name) to one on this machine.

`conda` and `curated` turn names into requirements, `resolution` chooses between them, `builder` makes the environment
once per machine and a thin layer over it for each job.
"""
