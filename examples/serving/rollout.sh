#!/bin/sh
# From training to a second model in production: train, register, deploy blue, call it, deploy green, give it copies
# of requests, then a tenth of them, then all, and take blue away. `sh rollout.sh docker` does it with containers.
set -eu
cd "$(dirname "$0")"
backend=${1:-local}
ask() { mlctl online-endpoint invoke -n flowers --request-file request.json -o tsv "$@"; }

for C in 0.8 5; do
    job=$(mlctl job create -f train.yml --set inputs.C=$C --stream --query name -o tsv)
    mlctl model create -n flowers --path "azureml://jobs/$job/outputs/model" -o none
done

mlctl online-endpoint create -f endpoint.yml -o none
mlctl online-deployment create -f blue.yml --backend "$backend" --all-traffic -o none
ask
mlctl online-deployment create -f green.yml --backend "$backend" -o none
ask --deployment-name green

mlctl online-endpoint update -n flowers --mirror-traffic "green=10" -o none
ask
mlctl online-endpoint update -n flowers --mirror-traffic "green=0" --traffic "blue=90 green=10" -o none
ask
mlctl online-endpoint update -n flowers --traffic "blue=0 green=100" -o none
ask
mlctl online-deployment delete -n blue -e flowers --yes
ask
mlctl online-endpoint history -n flowers -o table
