# Defaults as az keeps them, and where a value came from.
mlctl workspace create -n team -g group -l westeurope -o none
mlctl configure --defaults workspace=team group=group
expect team "$(mlctl config get defaults.workspace --query value -o tsv)"
printf 'command: pwd\nenvironment: {image: library/python}\n' >job.yml
NAME=$(mlctl job create -f job.yml --query name -o tsv 2>/dev/null)
mlctl job wait -n "$NAME" -o none
expect "$NAME" "$(mlctl job list --query '[0].name' -o tsv)"
expect "[]" "$(mlctl job list -w default)"
expect "[]" "$(MLCTL_WORKSPACE=default mlctl job list)"
# a variable wins over a config file, mlctl's own over az's
expect "[]" "$(AZURE_DEFAULTS_WORKSPACE=default mlctl job list)"
expect "$NAME" "$(AZURE_DEFAULTS_WORKSPACE=default MLCTL_WORKSPACE=team mlctl job list --query '[0].name' -o tsv)"
mlctl configure --list-defaults | one_document

mkdir -p .mlctl below
printf '[defaults]\nworkspace = default\n' >.mlctl/config
expect "[]" "$(cd below && mlctl job list)"
rm -r .mlctl
mlctl config set core.output=tsv local.max_concurrent=2
expect team "$(mlctl workspace show --query name)"
mlctl config unset core.output
expect '"team"' "$(mlctl workspace show --query name)"
fails 2 mlctl config set core.outputs=tsv
grep -q "core.output" err.txt
fails 2 mlctl config set core.output=xml
mlctl configure --defaults workspace='' group=''
expect default "$(mlctl workspace show --query name -o tsv)"
expect "$NAME" "$(mlctl job show -n "$NAME" -w team --query name -o tsv)"
