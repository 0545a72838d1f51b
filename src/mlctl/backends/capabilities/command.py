"""Rows of what every job may have, and of what a command needs: in a job, a component, a step or a trial."""

from __future__ import annotations

from mlctl.backends.capabilities import HONOURED, Fate, Row, approximated, ignored, refused, row, rows

_NOT_LOCAL_CODE = refused(
    "code is taken from this machine: fetch it first (git clone, mlctl job download) and name the folder"
)
_CLUSTER = "a kubernetes compute named '{name}' in the mlctl workspace has to say which cluster"
_FIRST_COME = ignored("the queue is first come, first served")
_AS_YOU = ignored("the job runs as you")

BASE: tuple[Row, ...] = (
    *rows("$schema type name display_name experiment_name description tags properties parent_job_name id version"),
    row(
        "compute",
        "<local>",
        docker=approximated(
            "the job runs on this machine's engine, with --backend docker or with the name of a docker compute here"
        ),
        kubernetes=approximated(_CLUSTER),
        azureml=approximated(
            "az runs the job in a container on the machine that submits; name a cluster, or leave it out"
        ),
    ),
    row(
        "compute",
        "docker",
        local=approximated("the job runs as processes with --backend local, or with the name of a local compute here"),
        kubernetes=approximated(_CLUSTER),
        azureml=refused("'docker' is a compute of mlctl's own: name a cluster, or leave it out"),
    ),
    row("compute", "<expression>"),
    row(
        "compute",
        local=approximated(
            "without a compute named '{name}' in the workspace the job runs on this machine (--strict refuses that)"
        ),
        docker=approximated(
            "the job runs on this machine's engine with --backend docker, or with a docker compute named '{name}' here"
        ),
        kubernetes=approximated(_CLUSTER),
    ),
    row(
        "identity",
        "<managed>",
        here=_AS_YOU,
        kubernetes=approximated("the pod's service account stands for it, where the cluster has workload identity"),
    ),
    row(
        "identity",
        here=_AS_YOU,
        kubernetes=ignored("pods hold no token of yours or of a workspace: use managed, or a secret of the cluster"),
    ),
    row("services", "<printed>"),
    row(
        "services",
        local=ignored("interactive services are not started: use this machine's own"),
        docker=ignored("interactive services are not started: use this machine's own"),
        kubernetes=ignored("interactive services are not started: pods take no connections"),
    ),
    row(
        "queue_settings",
        "<named compute>",
        here=_FIRST_COME,
        azureml=approximated("for serverless compute: on a cluster of your own, the cluster's tier counts"),
    ),
    row("queue_settings", here=_FIRST_COME),
    row(
        "queue_settings.job_tier",
        here=_FIRST_COME,
        kubernetes=ignored("spot and other tiers are instance types of the cluster"),
    ),
    row(
        "queue_settings.priority",
        here=_FIRST_COME,
        kubernetes=approximated("becomes a priority class, where the cluster has a Kueue queue"),
    ),
    row("limits.timeout"),
)
"""What every job may have."""

_IN_REGISTRY = approximated("its registry has to be one that mlctl knows: mlctl registry list")
_IN_WORKSPACE = approximated("'{value}' has to be in the mlctl workspace that submits: mlctl environment create")
_NO_INSTANCE_TYPE = ignored("processes of this machine have no instance type")
_OF_THE_COMPUTE = approximated(
    "memory, cpus and gpus come from '{value}' among the compute's instance_types; without it, no limits"
)
_NO_CONTAINER = ignored("there is no container")
_NO_DOCKER_RUN = refused("a cluster has no docker run: use instance_type, shm_size and environment_variables")
_OWN_COMPUTE = Fate(HONOURED, "on Azure ML's own compute, not on an attached Kubernetes cluster")

DOCKER_SWITCHES = frozenset(
    "--rm --detach -d --interactive -i --tty -t -it -ti --init --privileged --read-only".split()
)
DOCKER_OPTIONS = frozenset(
    "--add-host --cap-add --cap-drop --cpu-period --cpu-quota --cpu-shares --cpus --cpuset-cpus --cpuset-mems --device "
    "--dns --dns-search --entrypoint --env --gpus --group-add --hostname --ipc --label --memory --memory-reservation "
    "--memory-swap --network --oom-score-adj --pids-limit --platform --runtime --security-opt --shm-size --sysctl "
    "--tmpfs --ulimit --user --userns --volume -c -e -h -l -m -u -v --net".split()
)
"""Words of docker_args that the docker back end takes: those without and those with a value."""

COMMAND: tuple[Row, ...] = (
    row("command"),
    row("code", "<folder>|<expression>"),
    row(
        "code",
        "<git>",
        kubernetes=_NOT_LOCAL_CODE,
        azureml=approximated("code from Git is a private preview: set AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED=true"),
    ),
    row("code", here=_NOT_LOCAL_CODE, kubernetes=_NOT_LOCAL_CODE),
    row("environment", "<file>|<map>|<expression>"),
    row(
        "environment",
        "<curated>",
        local=approximated(
            "the job gets a virtual environment with {python} and the packages of '{name}', not its image"
        ),
    ),
    row(
        "environment",
        "<registry>",
        here=_IN_REGISTRY,
        kubernetes=refused("registries are Azure ML's: name the image, or image and conda_file"),
    ),
    row(
        "environment",
        "<registered>",
        here=_IN_WORKSPACE,
        kubernetes=approximated("'{value}' has to be known in the mlctl workspace: Azure ML's own are not looked up"),
    ),
    row("environment"),
    *rows("environment_variables environment_variables.* environment_variables[]"),
    *rows("environment_variables[].name environment_variables[].value"),
    *rows("resources distribution limits"),
    row("resources.instance_count", "1|<expression>"),
    row(
        "resources.instance_count",
        "<distributed>",
        local=approximated("the processes of all {value} instances run on this machine"),
        docker=approximated("the containers of all {value} instances run on one engine"),
    ),
    row("resources.instance_count", here=ignored("without distribution the command runs once, on this machine")),
    row(
        "resources.instance_type",
        "<vm size>",
        local=_NO_INSTANCE_TYPE,
        docker=_OF_THE_COMPUTE,
        kubernetes=approximated(
            "'{value}' has to be defined as an instance type of the cluster: pods know no sizes of Azure's machines"
        ),
    ),
    row("resources.instance_type", local=_NO_INSTANCE_TYPE, docker=_OF_THE_COMPUTE),
    row(
        "resources.max_instance_count",
        here=ignored("a job does not grow while it runs"),
        kubernetes=approximated("for elastic torchrun only: other jobs do not grow while they run"),
    ),
    row("resources.shm_size", local=ignored("processes of this machine share its own memory")),
    row(
        "resources.docker_args",
        "<unusable>",
        local=_NO_CONTAINER,
        docker=refused("'{word}' is not among the options of docker run that mlctl hands to the engine"),
        kubernetes=_NO_DOCKER_RUN,
        azureml=_OWN_COMPUTE,
    ),
    row("resources.docker_args", local=_NO_CONTAINER, kubernetes=_NO_DOCKER_RUN, azureml=_OWN_COMPUTE),
    row(
        "resources.locations",
        here=ignored("there is one location: here"),
        kubernetes=ignored("the cluster is where it is"),
    ),
    row(
        "resources.properties",
        local=ignored("they are Azure ML's own"),
        docker=ignored("use docker_args (--memory, --cpus, --gpus)"),
        kubernetes=Fate(HONOURED, "requests, limits, selectors and tolerations of the pods"),
    ),
    row(
        "distribution.type",
        "mpi",
        here=approximated("started by mpirun where the environment has it, else as processes with mpirun's variables"),
        kubernetes=approximated("the image needs an SSH server that runs without root; else the job is refused"),
    ),
    row(
        "distribution.type",
        "ray",
        here=approximated("the environment has to have the program ray; without it the job fails"),
    ),
    *rows("distribution.type distribution.process_count_per_instance distribution.worker_count"),
    *rows("distribution.parameter_server_count distribution.port distribution.address distribution.include_dashboard"),
    *rows(
        "distribution.dashboard_port distribution.head_node_additional_args distribution.worker_node_additional_args"
    ),
    row("additional_includes"),
    *rows("is_deterministic component comment successful_return_code intellectual_property auto_delete_setting"),
)
"""A command with its surroundings."""
