# Places: made, listed, changed, deleted.
expect default "$(mlctl workspace show --query name -o tsv)"
mlctl workspace create -n one --display-name "The first" --description d --tags a=1 b=2 -o none
mlctl workspace create --name two --path "$PWD/elsewhere" -o none
expect "default one two" "$(mlctl workspace list --query 'sort([].name)' -o tsv | tr '\n\t' '  ' | sed 's/ *$//')"
expect "The first" "$(mlctl workspace show -n one --query display_name -o tsv)"
expect 2 "$(mlctl workspace show -n one --query tags.b -o tsv)"
[ -e elsewhere/mlctl.db ]
fails 6 mlctl workspace create -n one
mlctl workspace delete -n two --yes
expect "default one" "$(mlctl workspace list --query 'sort([].name)' -o tsv | tr '\n\t' '  ' | sed 's/ *$//')"
fails 3 mlctl workspace show -n two
fails 3 mlctl workspace delete -n two -y

expect local "$(mlctl compute list --query '[0].name' -o tsv)"
mlctl compute create -n small --type local --max-concurrent 1 --description d -o none
expect 1 "$(mlctl compute show -n small --query max_concurrent -o tsv)"
expect 3 "$(mlctl compute update -n small --max-concurrent 3 --query max_concurrent -o tsv)"
cat >compute.yml <<'YAML'
name: box
type: docker
max_concurrent: 2
YAML
expect box "$(mlctl compute create -f compute.yml --query name -o tsv)"
expect docker "$(mlctl compute show -n box --query type -o tsv)"
mlctl compute attach -n other --type docker --host unix:///nowhere/docker.sock -o none
expect Unavailable "$(mlctl compute show -n other --query state -o tsv)"
mlctl compute detach -n other --yes
mlctl compute delete -n box -y
fails 3 mlctl compute show -n box
fails 2 mlctl compute create -n x
printf 'command: echo $AZUREML_RUN_ID\ncompute: azureml:small\nenvironment: {image: library/python}\n' >job.yml
mlctl job create -f job.yml --name on-small --strict --stream -o none 2>/dev/null
expect azureml:small "$(mlctl job show -n on-small --query compute -o tsv)"
mlctl compute delete -n small --yes
fails 3 mlctl job create -f job.yml --strict
expect Completed "$(mlctl job show -n on-small --query status -o tsv)"
